#!/bin/sh
# Takes a render worker's place in the pool's tests: a request is a list of one word of three
# letters. On "die" it dies, on "nap" it does not answer, else its picture is "ok".
while message=$(head -c 11 | tail -c +5) && [ -n "$message" ]; do
    case $message in
        *die*) exit 1 ;;
        *nap*) exec sleep 60 ;;
    esac
    printf '\000\000\000\003Pok'
done

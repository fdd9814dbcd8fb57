/* Preloaded into a test's agent: both its clocks stand at the seconds that the file named by HELD_CLOCK
   holds, eight bytes that the test changes while the agent runs, and what waits for a time waits
   for these. So minutes pass as fast as the test likes and no faster than the agent follows. Each
   reading is a nanosecond later than the one before: who waits for no time at all asks until it has passed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *held;
static atomic_long readings;
static long (*real_syscall)(long, ...);

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("HELD_CLOCK");
    int file = path ? open(path, O_RDONLY) : -1;
    void *found = mmap(NULL, sizeof *held, PROT_READ, MAP_SHARED, file, 0);
    real_syscall = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    if (found == MAP_FAILED || !real_syscall) abort();
    held = found;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    (void)clock;
    now->tv_sec = held ? *held : 0;
    now->tv_nsec = atomic_fetch_add(&readings, 1) % 1000000000;
    return 0;
}

/* The standard library of Rust waits by this call: until a time of the clock that never steps. */
long syscall(long number, ...) {
    va_list words;
    long word[6];
    va_start(words, number);
    for (int i = 0; i < 6; i++) word[i] = va_arg(words, long);
    va_end(words);
    const struct timespec *until = (const struct timespec *)word[3];
    if (number != SYS_futex || ((int)word[1] & FUTEX_CMD_MASK) != FUTEX_WAIT_BITSET || !until || !held)
        return real_syscall(number, word[0], word[1], word[2], word[3], word[4], word[5]);
    for (;;) {
        if (*held > until->tv_sec || (*held == until->tv_sec && readings >= until->tv_nsec)) {
            errno = ETIMEDOUT;
            return -1;
        }
        /* A moment of the real clock; FUTEX_WAIT takes a length of time. */
        struct timespec moment = {0, 2000000};
        int op = FUTEX_WAIT | ((int)word[1] & FUTEX_PRIVATE_FLAG);
        long woken = real_syscall(SYS_futex, word[0], op, word[2], &moment, 0L, 0L);
        if (woken == 0 || errno != ETIMEDOUT) return woken;
    }
}

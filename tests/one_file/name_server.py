"""A name server on 127.0.0.1:53 that knows one name: its IPv4 address is 127.0.0.1, and it has no other.

    python3 name_server.py NAME
"""
import socket
import struct
import sys

A, IN, NAME_ERROR = 1, 1, 3

known = b"".join(bytes([len(label)]) + label.encode() for label in sys.argv[1].split(".")) + b"\0"
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
print("ready", flush=True)
while True:
    query, client = server.recvfrom(512)
    end = query.index(0, 12) + 1
    name, (kind, _) = query[12:end], struct.unpack("!HH", query[end:end + 4])
    found = name.lower() == known
    answers = 1 if found and kind == A else 0
    head = query[:2] + struct.pack("!HHHHH", 0x8180 | (0 if found else NAME_ERROR), 1, answers, 0, 0)
    answer = b"\xc0\x0c" + struct.pack("!HHIH4B", A, IN, 60, 4, 127, 0, 0, 1) if answers else b""
    server.sendto(head + query[12:end + 4] + answer, client)

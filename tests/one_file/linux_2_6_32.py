"""Runs a program with no other system calls than Linux 2.6.32 has on x86_64, and as a 2.6 by its name.

    python3 linux_2_6_32.py PROGRAM ARGUMENT ...
"""
import ctypes
import errno
import os
import struct
import sys

UNAME26 = 0x0020000  # a personality: uname says 2.6.X
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
RET_ERRNO, RET_ALLOW = 0x00050000, 0x7FFF0000
LOAD, JUMP_IF_AT_LEAST, RETURN = 0x20, 0x35, 0x06
FIRST_AFTER = 299  # recvmmsg came with 2.6.33


def instruction(code, if_true, if_false, operand):
    return struct.pack("HBBI", code, if_true, if_false, operand)


class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p)]


instructions = b"".join([
    instruction(LOAD, 0, 0, 0),  # the number of the system call
    instruction(JUMP_IF_AT_LEAST, 0, 1, FIRST_AFTER),
    instruction(RETURN, 0, 0, RET_ERRNO | errno.ENOSYS),
    instruction(RETURN, 0, 0, RET_ALLOW),
])
memory = ctypes.create_string_buffer(instructions)
filter = Filter(len(instructions) // 8, ctypes.cast(memory, ctypes.c_void_p))
libc = ctypes.CDLL(None, use_errno=True)
for done in (
    libc.personality(UNAME26) != -1,
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0,
    libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(filter)) == 0,
):
    if not done:
        sys.exit("linux_2_6_32: " + os.strerror(ctypes.get_errno()))
os.execv(sys.argv[1], sys.argv[1:])

/* Preloaded into a test's agent: a directory on a file system that hangs. Whoever opens the one that
   HANGS names, or looks where it leads to, makes a file of that name with .asked behind it, and waits
   without end; the first so many times that HANGS_AFTER says, it goes on. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void hang_at(const char *path) {
    const char *hangs = getenv("HANGS");
    const char *after = getenv("HANGS_AFTER");
    static int times;
    char asked[4096];
    if (!hangs || !path || strcmp(path, hangs) != 0) return;
    if (after && times++ < atoi(after)) return;
    snprintf(asked, sizeof asked, "%s.asked", hangs);
    close(open(asked, O_CREAT | O_WRONLY, 0600));
    for (;;) pause();
}

DIR *opendir(const char *path) {
    hang_at(path);
    return ((DIR * (*)(const char *)) dlsym(RTLD_NEXT, "opendir"))(path);
}

char *realpath(const char *path, char *resolved) {
    hang_at(path);
    return ((char *(*)(const char *, char *))dlsym(RTLD_NEXT, "realpath"))(path, resolved);
}

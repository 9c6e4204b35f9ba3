/* replay.c: runs a fuzz target over files, without libFuzzer.
 *
 * Arguments are files or directories (not searched deeper). A directory that does not exist counts
 * as empty: a target without a found crash has no folder in regress/. Prints how many inputs were
 * run; a failing input is the last one named on standard error.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Returns the whole file in memory of exactly its size, so that a checker sees every overrun. */
static uint8_t *read_file(const char *path, size_t size) {
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(size ? size : 1);
    if (!f || !data || fread(data, 1, size, f) != size) {
        fprintf(stderr, "replay: cannot read %s\n", path);
        exit(2);
    }
    fclose(f);
    return data;
}

static void run_file(const char *path, size_t size) {
    fprintf(stderr, "%s\n", path);
    uint8_t *data = read_file(path, size);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
}

static size_t run_path(const char *path);

static size_t run_directory(const char *path) {
    DIR *dir = opendir(path);
    if (!dir) {
        fprintf(stderr, "replay: cannot open %s\n", path);
        exit(2);
    }
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] != '.') {
            char inside[4096];
            snprintf(inside, sizeof(inside), "%s/%s", path, entry->d_name);
            count += run_path(inside);
        }
    }
    closedir(dir);
    return count;
}

static size_t run_path(const char *path) {
    struct stat st;
    if (stat(path, &st) != 0) {
        if (errno == ENOENT) {
            return 0;
        }
        fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
        exit(2);
    }
    if (S_ISDIR(st.st_mode)) {
        return run_directory(path);
    }
    run_file(path, (size_t)st.st_size);
    return 1;
}

int main(int argc, char **argv) {
    size_t count = 0;
    for (int i = 1; i < argc; i++) {
        count += run_path(argv[i]);
    }
    printf("%zu inputs replayed\n", count);
    return 0;
}

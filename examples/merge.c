/* merge.c: one update file out of several.
 *
 *     cc merge.c $(pkg-config --cflags --libs yata) -o merge
 *     ./merge merged.bin monday.bin tuesday.bin ...
 *
 * The files hold updates of one Yjs document in format V1, in any order: what a client sent, or
 * Y.encodeStateAsUpdate. No document is built.
 */
#include <stdio.h>
#include <stdlib.h>
#include <yata.h>

/* Reads a file whole. Returns false after a message. */
static bool read_file(const char *path, struct yata_slice *ret) {
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        return false;
    }
    uint8_t *p = NULL;
    long n = fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;
    if (n >= 0 && fseek(f, 0, SEEK_SET) == 0) {
        p = malloc((size_t)n + 1);
    }
    bool good = p && fread(p, 1, (size_t)n, f) == (size_t)n;
    if (good) {
        *ret = (struct yata_slice){.p = p, .n = (size_t)n};
    } else {
        perror(path);
        free(p);
    }
    (void)fclose(f);
    return good;
}

static bool write_file(const char *path, const struct yata_bytes *bytes) {
    FILE *f = fopen(path, "wb");
    bool good = f && fwrite(bytes->p, 1, bytes->n, f) == bytes->n;
    if (f && fclose(f) != 0) {
        good = false;
    }
    if (!good) {
        perror(path);
    }
    return good;
}

/* Reads and checks the files. */
static bool read_updates(char **paths, struct yata_slice *updates, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct yata_error why;
        if (!read_file(paths[i], &updates[i])) {
            return false;
        }
        if (yata_check_update(updates[i].p, updates[i].n, &why) != YATA_OK) {
            (void)fprintf(stderr, "%s: byte %zu: %s\n", paths[i], why.at, why.what);
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        (void)fprintf(stderr, "usage: %s MERGED UPDATE...\n", argv[0]);
        return 2;
    }
    size_t count = (size_t)argc - 2;
    struct yata_slice *updates = calloc(count, sizeof *updates);
    struct yata_bytes merged = {0};
    bool good = updates && read_updates(argv + 2, updates, count) &&
                yata_merge_updates(YATA_V1, updates, count, &merged, NULL) == YATA_OK &&
                write_file(argv[1], &merged);
    if (good) {
        (void)printf("%zu updates became %zu bytes\n", count, merged.n);
    }
    yata_bytes_fini(&merged);
    for (size_t i = 0; updates && i < count; i++) {
        free((void *)(uintptr_t)updates[i].p); /* a slice is for reading, but these are ours */
    }
    free(updates);
    return good ? 0 : 1;
}

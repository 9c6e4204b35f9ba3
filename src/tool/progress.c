#include "tool/progress.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

enum { TERMINAL_MS = 200, FILE_MS = 1000 };

static uint64_t shown_ms;
static bool on_line;

void progress(const char *fmt, ...) {
    bool terminal = isatty(STDERR_FILENO);
    uint64_t now = clock_mono_ms();
    if (!shown_ms) { /* short work needs none */
        shown_ms = now;
    }
    if (now - shown_ms < (terminal ? TERMINAL_MS : FILE_MS)) {
        return;
    }
    shown_ms = now;
    on_line = terminal;
    char text[256];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    /* one write, which no other line can get into */
    (void)dprintf(STDERR_FILENO, terminal ? "\r\033[K%s" : "%s\n", text);
}

void progress_end(void) {
    if (on_line) {
        (void)dprintf(STDERR_FILENO, "\r\033[K");
    }
    on_line = false;
    shown_ms = 0;
}

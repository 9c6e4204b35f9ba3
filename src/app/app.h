/* app.h: the server as a whole. Thread: main. */
#ifndef APP_APP_H
#define APP_APP_H

#include "conf/conf.h"

/* Serves until told to stop. Returns the process's exit code. */
int app_run(const struct conf *);

#endif

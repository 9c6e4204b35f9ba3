/* collabd: a real-time collaboration server for Yjs editors. */
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "conf/conf.h"
#include "tool/tool.h"

extern char **environ;

int main(int argc, char **argv) {
    struct conf *conf = NULL;
    if (argc > 1 && strcmp(argv[1], "store") == 0) {
        return tool_run(argc, argv, environ);
    }
    switch (conf_load(argc, argv, environ, &conf, stdout, stderr)) {
    case CONF_EXIT_OK:
        return EXIT_SUCCESS;
    case CONF_EXIT_ERROR:
        return 2;
    case CONF_RUN:
        break;
    }
    int exit_code = app_run(conf);
    conf_free(conf);
    return exit_code;
}

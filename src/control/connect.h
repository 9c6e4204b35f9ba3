/* connect.h: the socket's address, whatever the length of the directory's name. Inside control/
 * only.
 *
 * Thread: any.
 */
#ifndef CONTROL_CONNECT_H
#define CONTROL_CONNECT_H

#include <sys/socket.h>
#include <sys/un.h>

/* Makes a socket and calls connect, bind or their like with the address in this directory. The
 * socket, or -1 with errno. */
int control_at(const char *data, int (*use)(int fd, const struct sockaddr *, socklen_t));

#endif

#include "proxy/http/server.h"
struct http_door *http_door_open(struct lane *lane, struct entrance *entrance,
                                 struct evconnlistener *socket) { (void)lane; (void)entrance; (void)socket; return NULL; }
void http_door_close(struct http_door **door) { *door = NULL; }
void http_drain(struct lane *lane) { (void)lane; }
void http_abort_all(struct lane *lane) { (void)lane; }
void http_free(struct lane *lane) { (void)lane; }

#include "channel/origin.h"

#include "http/origin_list.h"

bool origin_allowed(const anqa_socket_mount *mount, const char *host, anqa_str text,
    const char *scheme, anqa_str request_host)
{
    struct origin origin = origin_parse(text);
    struct origin request = {.scheme = anqa_str_of(scheme)};

    if (mount->check_origin == ANQA_ORIGIN_ANY)
        return true;
    if (origin.host.len == 0 && mount->check_origin != ANQA_ORIGIN_ASK)
        return false;
    origin_authority(request_host, &request);
    if (request.port.len == 0)
        request.port = origin_default_port(request.scheme);
    switch (mount->check_origin) {
    case ANQA_ORIGIN_ASK:
        return mount->origin_allowed != NULL &&
               mount->origin_allowed(origin.scheme, origin.host, origin.port);
    case ANQA_ORIGIN_LIST: return origin_listed(mount->origins, &origin);
    case ANQA_ORIGIN_REQUEST:
        return anqa_str_eq(origin.scheme, request.scheme) &&
               anqa_str_eq(origin.host, request.host) && anqa_str_eq(origin.port, request.port);
    default: return anqa_str_eq(origin.host, host == NULL ? request.host : anqa_str_of(host));
    }
}

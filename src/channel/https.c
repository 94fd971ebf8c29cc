#include "channel/https.h"

#include <stdlib.h>

static const char *environment(const char *name)
{
    const char *text = getenv(name); /* NOLINT(concurrency-mt-unsafe): nobody sets it */

    return text == NULL || *text == '\0' ? NULL : text;
}

anqa_status port_find(
    uint16_t given, const char *name, uint16_t standard, uint16_t *ret_port, anqa_error *err)
{
    const char *text = environment(name);
    unsigned long port;
    char *end;

    *ret_port = given != 0 ? given : standard;
    if (given != 0 || text == NULL)
        return ANQA_OK;
    port = strtoul(text, &end, 10);
    if (*end != '\0' || text[0] < '0' || text[0] > '9' || port > UINT16_MAX)
        return anqa_fail(err, ANQA_E_INVALID,
            "%s in the environment is '%s'; it must be a number from 0 to 65535", name, text);
    *ret_port = (uint16_t)port;
    return ANQA_OK;
}

anqa_status https_find(
    const anqa_endpoint *spec, bool *ret_on, anqa_https *ret_https, anqa_error *err)
{
    bool asked = spec->port == 0 && environment(HTTPS_PORT_NAME) != NULL;

    *ret_on = spec->https != NULL || asked;
    *ret_https = spec->https != NULL ? *spec->https : (anqa_https){0};
    if (!*ret_on || ret_https->certfile != NULL)
        return ANQA_OK;
    ret_https->certfile = environment("TLS_CERTFILE");
    if (ret_https->keyfile == NULL)
        ret_https->keyfile = environment("TLS_KEYFILE");
    return ret_https->certfile != NULL
               ? ANQA_OK
               : anqa_fail(err, ANQA_E_INVALID,
                     "https needs a certificate: .certfile, or TLS_CERTFILE in the environment");
}

#include "http/vary.h"

#include "http/exchange.h"

void vary_add(anqa_conn *conn, const char *field)
{
    anqa_str wanted = anqa_str_of(field), list, token;

    for (const struct resp_field *at = exchange_of(conn)->fields; at != NULL; at = at->next) {
        if (!request_same_word(anqa_str_of(at->name), anqa_str_of("vary")))
            continue;
        for (list = at->value; request_next_token(&list, &token);)
            if (request_same_word(token, wanted) || anqa_str_is(token, "*"))
                return;
    }
    anqa_conn_add_resp_header(conn, "vary", wanted);
}

#include "http/encoding.h"

#include "harness.h"

#define BR (1u << ENCODING_BR)
#define GZIP (1u << ENCODING_GZIP)

static const struct {
    const char *field; /* NULL: none */
    unsigned have;
    enum encoding chosen;
} cases[] = {
    {NULL, BR | GZIP, ENCODING_IDENTITY},
    {"", BR | GZIP, ENCODING_IDENTITY},
    {"gzip, deflate, br", BR | GZIP, ENCODING_BR},
    {"gzip, deflate, br", GZIP, ENCODING_GZIP},
    {"gzip, deflate, br", 0, ENCODING_IDENTITY},
    {"gzip", BR | GZIP, ENCODING_GZIP},
    {"x-gzip", GZIP, ENCODING_GZIP},
    {"GZIP", GZIP, ENCODING_GZIP},
    {"deflate, zstd", BR | GZIP, ENCODING_IDENTITY},
    {"br;q=0.2, gzip;q=0.3", BR | GZIP, ENCODING_GZIP},
    {"br;q=0.2, gzip;q=0.3", BR, ENCODING_BR},
    {"br;q=0.299, gzip;q=0.3", BR | GZIP, ENCODING_GZIP},
    {"br;q=1.000,gzip;q=1", BR | GZIP, ENCODING_BR},
    {"br ; Q=0.5 , gzip; q=0.5", BR | GZIP, ENCODING_BR},
    {"gzip;q=0", GZIP, ENCODING_IDENTITY},
    {"gzip;q=0.000", GZIP, ENCODING_IDENTITY},
    {"gzip;q=0, *", BR | GZIP, ENCODING_BR},
    {"*", BR | GZIP, ENCODING_BR},
    {"*;q=0", BR | GZIP, ENCODING_IDENTITY},
    {"*;q=0, gzip", BR | GZIP, ENCODING_GZIP},
    {"identity, gzip;q=0.5", GZIP, ENCODING_IDENTITY},
    {"identity;q=0.5, gzip", GZIP, ENCODING_GZIP},
    {"identity;q=0.5, gzip;q=0.5", GZIP, ENCODING_GZIP},
    {"identity;q=0", BR | GZIP, ENCODING_IDENTITY},
    {",,gzip,,", GZIP, ENCODING_GZIP},
    {"gzip;q=2", GZIP, ENCODING_IDENTITY},
    {"gzip;q=1.001", GZIP, ENCODING_IDENTITY},
    {"gzip;q=0.1234", GZIP, ENCODING_IDENTITY},
    {"gzip;q=-1", GZIP, ENCODING_IDENTITY},
    {"gzip;q=", GZIP, ENCODING_IDENTITY},
    {"gzip;q", GZIP, ENCODING_IDENTITY},
    {"gzip;", GZIP, ENCODING_IDENTITY},
    {"gzip;level=9", GZIP, ENCODING_IDENTITY},
    {"gzip br", BR | GZIP, ENCODING_IDENTITY},
    {"gzipx", GZIP, ENCODING_IDENTITY},
};

static enum encoding choose(const struct request *request, unsigned have)
{
    struct encoding_taste taste = encoding_taste_of(request);

    return encoding_choose(&taste, have);
}

TEST(the_coding_that_the_client_likes_best_is_chosen)
{
    for (size_t i = 0; i < ANQA_COUNT(cases); i++) {
        struct request request = {0};
        if (cases[i].field != NULL)
            request.headers[request.header_count++] = (struct request_header){
                anqa_str_of("Accept-Encoding"), anqa_str_of(cases[i].field)};
        CHECK_EQ(choose(&request, cases[i].have), cases[i].chosen, "%s",
            cases[i].field == NULL ? "none" : cases[i].field);
    }
}

TEST(several_fields_are_one_list)
{
    struct request request = {.header_count = 3,
        .headers = {{anqa_str_of("accept-encoding"), anqa_str_of("gzip;q=0.5")},
            {anqa_str_of("accept"), anqa_str_of("br")},
            {anqa_str_of("accept-encoding"), anqa_str_of("br;q=0.4")}}};

    CHECK_EQ(choose(&request, BR | GZIP), ENCODING_GZIP);
    CHECK_EQ(choose(&request, BR), ENCODING_BR);
}

/* crypto in a build without OpenSSL: what stands for it there is linked in place of the library's own. */
#include "http/none/crypto.c"   /* NOLINT(bugprone-suspicious-include) */
#include "js/web/none/subtle.c" /* NOLINT(bugprone-suspicious-include) */

#include "support.h"

static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "without.js",
    .source =
        "const { subtle } = crypto, bytes = new Uint8Array(16);\n"
        "const tries = {\n"
        "  digest: () => subtle.digest('SHA-256', bytes),\n"
        "  make: () => subtle.generateKey('Ed25519', true, ['sign']),\n"
        "  read: () => subtle.importKey('raw', new Uint8Array(32), 'Ed25519', true, ['verify']),\n"
        "  sign: async () => subtle.sign('HMAC', await subtle.importKey('raw', bytes,\n"
        "    {name: 'HMAC', hash: 'SHA-1'}, true, ['sign']), bytes),\n"
        "  password: () => Beam.password.hash('x', {rounds: 1000}),\n"
        "};\n"
        "export const attempt = (what) => tries[what]().then(() => 'fine', (e) => e.name + ': ' + "
        "e.message);\n"
        "export const random = () => [crypto.randomUUID().length, "
        "crypto.getRandomValues(bytes).some((b) => b !== 0)];\n",
    .apis = ANQA_JS_CRYPTO);

#define REFUSED \
    "\"NotSupportedError: crypto.subtle needs OpenSSL, without which this library was built\""

TEST(without_openssl_there_are_random_values_and_nothing_else)
{
    static const char *const refused[] = {"digest", "make", "read", "sign"};
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(js_call(pid, "random", "[]"), "[36,true]");
    for (size_t i = 0; i < ANQA_COUNT(refused); i++)
        CHECK_STR(js_call(pid, "attempt", anqa_tmp_printf("[\"%s\"]", refused[i])), REFUSED, "%s",
            refused[i]);
    CHECK_STR(js_call(pid, "attempt", "[\"password\"]"),
        "\"Error: passwords need OpenSSL, without which this library was built\"");
    js_end(rt);
}

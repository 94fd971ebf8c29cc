/*
 * crypto of scripts, as far as Node has no such thing: limits, workers, seeds, and what scripts that replace built-ins see.
 * What it computes is compared with Node's in web/crypto.cases.mjs.
 */
#include "support.h"

#include "runtime/worker.h"

/* What an async function of this text returns, or what it throws, in words. */
static const char *async_eval(anqa_pid pid, const char *body)
{
    return js_eval(pid,
        anqa_tmp_printf("(async () => { %s })().catch((e) => `${e.name}: ${e.message}`)", body));
}

#define SCRIPT(text)                                                              \
    ANQA_JS_SCRIPT(.name = "crypto.js", .source = (text), .apis = ANQA_JS_CRYPTO, \
        .limits = {.memory = (size_t)256 << 20, .turn_ms = 20000, .values = {.bytes = 64 << 20}})

/* ---------------------------------------------------------------- limits */

static const struct {
    const char *what, *code, *outcome;
} limits[] = {
    {"rounds of PBKDF2",
        "const k = await subtle.importKey('raw', new Uint8Array(8), 'PBKDF2', false, "
        "['deriveBits']);"
        "await subtle.deriveBits({name: 'PBKDF2', hash: 'SHA-1', salt: new Uint8Array(8), "
        "iterations: 10000001}, k, 128)",
        "\"OperationError: more than 10,000,000 rounds of PBKDF2\""},
    {"rounds of PBKDF2 for many bytes",
        "const k = await subtle.importKey('raw', new Uint8Array(8), 'PBKDF2', false, "
        "['deriveBits']);"
        "await subtle.deriveBits({name: 'PBKDF2', hash: 'SHA-1', salt: new Uint8Array(8), "
        "iterations: 5000001}, k, 320)",
        "\"OperationError: more than 10,000,000 rounds of PBKDF2\""},
    {"derived bytes",
        "const k = await subtle.importKey('raw', new Uint8Array(8), 'PBKDF2', false, "
        "['deriveBits']);"
        "await subtle.deriveBits({name: 'PBKDF2', hash: 'SHA-1', salt: new Uint8Array(8), "
        "iterations: 1}, k, 65537 * 8)",
        "\"OperationError: more than 65,536 bytes are to be derived at once\""},
    {"bytes of an operation", "await subtle.digest('SHA-1', new Uint8Array((48 << 20) + 1))",
        "\"OperationError: more than 48 MiB for one operation\""},
    {"bits of an RSA key that is made",
        "await subtle.generateKey({name: 'RSA-PSS', hash: 'SHA-1', modulusLength: 8193, "
        "publicExponent: new Uint8Array([1, 0, 1])}, true, ['sign'])",
        "\"OperationError: RSA keys are made with 512 to 8,192 bits\""},
    {"bits of an RSA key that is made, from below",
        "await subtle.generateKey({name: 'RSA-PSS', hash: 'SHA-1', modulusLength: 511, "
        "publicExponent: new Uint8Array([1, 0, 1])}, true, ['sign'])",
        "\"OperationError: RSA keys are made with 512 to 8,192 bits\""},
    {"bits of a public exponent",
        "await subtle.generateKey({name: 'RSA-PSS', hash: 'SHA-1', modulusLength: 1024, "
        "publicExponent: new Uint8Array(9).fill(1)}, true, ['sign'])",
        "\"OperationError: no public exponent\""},
    {"bits of an RSA key",
        "await subtle.importKey('jwk', {kty: 'RSA', n: '__' + 'f'.repeat(2729) + '9', e: 'AQAB'}, "
        "{name: 'RSA-PSS', hash: 'SHA-1'}, true, ['verify'])",
        "\"DataError: the key is malformed, or another one\""},
    {"bits of a key's exponent",
        "await subtle.importKey('jwk', {kty: 'RSA', n: '_' + 'f'.repeat(340) + 'w', e: "
        "'_wAAAAAAAAAB'}, {name: 'RSA-PSS', hash: 'SHA-1'}, true, ['verify'])",
        "\"DataError: the key is malformed, or another one\""},
    {"a prime as long as the modulus",
        "const how = {name: 'RSA-PSS', hash: 'SHA-1'}, key = await subtle.generateKey("
        "{...how, modulusLength: 512, publicExponent: new Uint8Array([3])}, true, ['sign']);"
        "const jwk = await subtle.exportKey('jwk', key.privateKey); jwk.p = jwk.n;"
        "await subtle.importKey('jwk', jwk, how, true, ['sign'])",
        "\"DataError: the key is malformed, or another one\""},
    {"bytes of a key in DER",
        "await subtle.importKey('spki', new Uint8Array(65537), {name: 'RSA-PSS', hash: 'SHA-1'}, "
        "true, ['verify'])",
        "\"DataError: the key is too long\""},
    {"parts of a key",
        "await subtle.importKey('jwk', {kty: 'RSA', n: 'f'.repeat(87384), e: 'AQAB'}, {name: "
        "'RSA-PSS', hash: 'SHA-1'}, true, ['verify'])",
        "\"OperationError: the key is too long\""},
    {"bytes of an HMAC key that is made",
        "await subtle.generateKey({name: 'HMAC', hash: 'SHA-1', length: 65537 * 8}, true, "
        "['sign'])",
        "\"OperationError: an HMAC key of more than 65,536 bytes\""},
    {"the text of a key that is unwrapped",
        "const k = await subtle.importKey('raw', new Uint8Array(16), 'AES-CTR', true, ['encrypt', "
        "'unwrapKey']);"
        "const how = {name: 'AES-CTR', counter: new Uint8Array(16), length: 64};"
        "await subtle.unwrapKey('jwk', await subtle.encrypt(how, k, new Uint8Array((4 << 20) + "
        "1)), k, how, 'AES-CTR', true, ['encrypt'])",
        "\"DataError: the key is no JSON\""},
    {"just as many rounds, bytes and bits",
        "const k = await subtle.importKey('raw', new Uint8Array(8), 'PBKDF2', false, "
        "['deriveBits']);"
        "await subtle.deriveBits({name: 'PBKDF2', hash: 'SHA-512', salt: new Uint8Array(8), "
        "iterations: 2}, k, 65536 * 8);"
        "await subtle.digest('SHA-1', new Uint8Array(48 << 20));"
        "await subtle.importKey('jwk', {kty: 'RSA', n: '_' + 'f'.repeat(2729) + '8', e: 'AQAB'}, "
        "{name: 'RSA-PSS', hash: 'SHA-1'}, true, ['verify']);"
        "await subtle.importKey('jwk', {kty: 'RSA', n: '_' + 'f'.repeat(340) + 'w', e: "
        "'_wAAAAAAAAE'}, {name: 'RSA-PSS', hash: 'SHA-1'}, true, ['verify']);"
        "return 'fine'",
        "\"fine\""},
};

TEST(what_a_script_asks_for_is_bounded)
{
    static const anqa_js_script script = SCRIPT("export {}; globalThis.subtle = crypto.subtle;");
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    for (size_t i = 0; i < ANQA_COUNT(limits); i++)
        CHECK_STR(async_eval(pid, limits[i].code), limits[i].outcome, "%s", limits[i].what);
    js_end(rt);
}

TEST(a_long_operation_has_no_more_bytes_than_values_may_have)
{
    static const anqa_js_script usual = ANQA_JS_SCRIPT(.name = "usual", .source = "export {};",
        .apis = ANQA_JS_CRYPTO, .limits = {.memory = (size_t)128 << 20, .turn_ms = 20000});
    static const anqa_js_script less = ANQA_JS_SCRIPT(.name = "less", .source = "export {};",
        .apis = ANQA_JS_CRYPTO, .limits = {.values = {.bytes = 100000}});
    static const char digest[] =
        "return (await crypto.subtle.digest('SHA-1', new Uint8Array(%s))).byteLength";
    static const char refused[] =
        "\"OperationError: more bytes than the limit for values of this script\"";
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&usual);

    CHECK_STR(async_eval(pid, anqa_tmp_printf(digest, "16 << 20")), "20");
    CHECK_STR(async_eval(pid, anqa_tmp_printf(digest, "(16 << 20) + 1")), refused);
    pid = js_start(&less);
    CHECK_STR(async_eval(pid, anqa_tmp_printf(digest, "100000")), "20");
    CHECK_STR(async_eval(pid, anqa_tmp_printf(digest, "100001")), refused);
    js_end(rt);
}

/* Memory of an event ends with the event only: were it used, this would be some 200 MB. */
TEST(what_a_turn_asks_for_again_and_again_does_not_add_up)
{
    static const anqa_js_script script = SCRIPT("export {}; globalThis.subtle = crypto.subtle;");
    anqa_rt *rt = js_begin_with(&(anqa_options){
        .schedulers = 1, .heap_quota = (size_t)4 << 20, .watchdog_ms = ANQA_INFINITY});
    anqa_pid pid = js_start(&script);

    CHECK_STR(
        async_eval(pid, "const how = {name: 'AES-CBC', iv: new Uint8Array(16)}, bytes = new "
                        "Uint8Array(60000), k = 'A'.repeat(80000);"
                        "const key = await subtle.generateKey({name: 'AES-CBC', length: 128}, "
                        "true, ['encrypt']);"
                        "const hmac = {name: 'HMAC', hash: 'SHA-1'}, long = 'x'.repeat(60000);"
                        "let refused = 0;"
                        "for (let i = 0; i < 700; i++) {"
                        "  await subtle.encrypt(how, key, bytes);"
                        "  await subtle.exportKey('jwk', await subtle.importKey('jwk', {kty: "
                        "'oct', k}, hmac, true, ['sign']));"
                        "  await Beam.password.hash(long).catch(() => refused++);"
                        "  await Beam.password.verify(long, 'x').catch(() => refused++);"
                        "}"
                        "return refused"),
        "1400");
    js_end(rt);
}

/* Where Node says something else. */
TEST(errors_are_those_of_the_standard)
{
    static const anqa_js_script script = SCRIPT("export {}; globalThis.subtle = crypto.subtle;");
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(async_eval(pid, "const k = await subtle.importKey('raw', new Uint8Array(16), "
                              "'AES-CBC', false, ['decrypt']);"
                              "k.usages.push('encrypt'); k.algorithm.name = 'AES-CTR';"
                              "await subtle.encrypt({name: 'AES-CBC', iv: new Uint8Array(16)}, k, "
                              "new Uint8Array(1))"),
        "\"InvalidAccessError: the key is not for encrypt\"");
    CHECK_STR(async_eval(pid, "const k = await subtle.importKey('raw', new Uint8Array(16), 'HKDF', "
                              "false, ['deriveBits']);"
                              "await subtle.exportKey('raw', k)"),
        "\"NotSupportedError: HKDF keys cannot be exported\"");
    CHECK_STR(async_eval(pid, "await subtle.importKey('raw', new Uint8Array(16), {name: 'RSA-PSS', "
                              "hash: 'SHA-1'}, true, ['verify'])"),
        "\"NotSupportedError: RSA-PSS keys have no format raw\"");
    CHECK_STR(async_eval(pid, "const k = await subtle.importKey('raw', new Uint8Array(16), "
                              "'AES-CBC', true, ['decrypt']);"
                              "await subtle.exportKey('spki', k)"),
        "\"NotSupportedError: AES-CBC keys have no format spki\"");
    js_end(rt);
}

/* OpenSSL takes a shorter number, too: one of 256 begins with a byte of nothing. */
TEST(what_was_sealed_is_as_long_as_the_key)
{
    static const anqa_js_script script = SCRIPT("export {}; globalThis.subtle = crypto.subtle;");
    anqa_rt *rt = js_begin(1);

    CHECK_STR(
        async_eval(js_start(&script),
            "const how = {name: 'RSA-OAEP', hash: 'SHA-1'};"
            "const {publicKey, privateKey} = await subtle.generateKey("
            "{...how, modulusLength: 1024, publicExponent: new Uint8Array([3])}, true, ['encrypt', "
            "'decrypt']);"
            "let sealed;"
            "do sealed = new Uint8Array(await subtle.encrypt(how, publicKey, new Uint8Array(4)));"
            "while (sealed[0] !== 0);"
            "await subtle.decrypt(how, privateKey, sealed);"
            "await subtle.decrypt(how, privateKey, sealed.slice(1))"),
        "\"OperationError: cannot be decrypted\"");
    js_end(rt);
}

TEST(nothing_stands_behind_a_key)
{
    static const anqa_js_script script = SCRIPT("export {}; globalThis.subtle = crypto.subtle;");
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    for (int private = 0; private < 2; private ++)
        CHECK_STR(
            async_eval(pid,
                anqa_tmp_printf(
                    "const form = '%s', usages = ['%s'];"
                    "const made = await subtle.generateKey('Ed25519', true, ['sign', 'verify']);"
                    "const der = new Uint8Array(await subtle.exportKey(form, made.%s));"
                    "await subtle.importKey(form, der, 'Ed25519', true, usages);"
                    "await subtle.importKey(form, new Uint8Array([...der, 0]), 'Ed25519', true, "
                    "usages)",
                    private ? "pkcs8" : "spki", private ? "sign" : "verify",
                    private ? "privateKey" : "publicKey")),
            "\"DataError: the key is malformed, or another one\"");
    js_end(rt);
}

/* ---------------------------------------------------------------- long operations */

static const anqa_js_script deriving =
    SCRIPT("let done = 0;\n"
           "export async function derive(rounds) {\n"
           "  const key = await crypto.subtle.importKey('raw', new Uint8Array(8), 'PBKDF2', false, "
           "['deriveBits']);\n"
           "  crypto.subtle.deriveBits({name: 'PBKDF2', hash: 'SHA-512', salt: new Uint8Array(8), "
           "iterations: rounds}, key, 256)\n"
           "    .then(() => { done++; });\n"
           "}\n"
           "export function count() { return done; }\n"
           "export async function all(n) { while (done < n) await Beam.sleep(5); return done; }\n");

TEST(a_long_derivation_holds_nobody_up)
{
    anqa_rt *rt = js_begin(1); /* which it would have for itself */
    anqa_pid pid = js_start(&deriving), other = js_start(&deriving);

    CHECK_STR(js_call(pid, "derive", "[2000000]"), "null");
    CHECK_STR(js_call(other, "count", "[]"), "0");
    CHECK_STR(js_call(pid, "count", "[]"), "0");
    CHECK_STR(js_call(pid, "all", "[1]"), "1");
    js_end(rt);
}

TEST(two_long_operations_of_a_process_run_at_once_and_the_others_wait)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&deriving);
    anqa_js_info info = {0};

    for (int i = 0; i < 5; i++)
        CHECK_STR(js_call(pid, "derive", "[100000]"), "null");
    CHECK_STATUS(anqa_js_get_info(pid, LONG_MS, &info, NULL), ANQA_OK);
    CHECK(info.pending_calls <= 2);
    CHECK_STR(js_call(pid, "all", "[5]"), "5");
    js_end(rt);
}

TEST(long_operations_of_all_scripts_leave_workers_to_others)
{
    anqa_rt *rt =
        js_begin_with(&(anqa_options){.schedulers = 2, .workers = 2, .watchdog_ms = ANQA_INFINITY});
    struct workers_stats workers;
    anqa_pid pids[4];

    (void)anqa_trap_exit(true);
    for (size_t i = 0; i < ANQA_COUNT(pids); i++) {
        pids[i] = js_start(&deriving);
        for (int j = 0; j < 2; j++)
            CHECK_STR(js_call(pids[i], "derive", "[200000]"), "null");
    }
    CHECK_STR(js_kill(pids[0]), "killed");
    for (size_t i = 1; i < ANQA_COUNT(pids); i++)
        CHECK_STR(js_call(pids[i], "all", "[2]"), "2");
    workers_get_stats(rt, &workers);
    CHECK_EQ(workers.threads, 1u); /* they stay for a while: no second one was ever needed */
    js_end(rt);
}

TEST(a_process_may_be_killed_while_a_worker_works_for_it)
{
    anqa_rt *rt = js_begin(2);
    anqa_pid pid;

    (void)anqa_trap_exit(true);
    pid = js_start(&deriving);
    CHECK_STR(js_call(pid, "derive", "[300000]"), "null");
    CHECK_STR(js_kill(pid), "killed");
    js_end(rt);
}

TEST(what_waits_for_a_worker_has_the_bytes_of_its_call)
{
    static const anqa_js_script script = SCRIPT("export {};");
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(async_eval(pid, "const all = [], wanted = [];"
                              "for (let i = 0; i < 6; i++) {"
                              "  const bytes = new Uint8Array(70000).fill(i);"
                              "  wanted.push(crypto.subtle.digest('SHA-256', bytes.slice()));"
                              "  all.push(crypto.subtle.digest('SHA-256', bytes));"
                              "  bytes.fill(99);"
                              "}"
                              "const text = async (list) => (await Promise.all(list)).map((b) => "
                              "new Uint8Array(b).join()).join(';');"
                              "return await text(all) === await text(wanted)"),
        "true");
    js_end(rt);
}

TEST(keys_outlive_parking)
{
    static const anqa_js_script script =
        SCRIPT("let key, sealed; const how = {name: 'AES-GCM', iv: new Uint8Array(12)};\n"
               "export async function seal() {\n"
               "  key = await crypto.subtle.generateKey({name: 'AES-GCM', length: 256}, false, "
               "['encrypt', 'decrypt']);\n"
               "  sealed = await crypto.subtle.encrypt(how, key, new Uint8Array([1, 2, 3])); }\n"
               "export async function open() { return [...new Uint8Array(await "
               "crypto.subtle.decrypt(how, key, sealed))]; }\n");
    anqa_rt *rt = js_begin_with(
        &(anqa_options){.schedulers = 1, .js_mapped = 1, .watchdog_ms = ANQA_INFINITY});
    anqa_pid pid = js_start(&script), other;
    anqa_js_counts now;

    CHECK_STR(js_call(pid, "seal", "[]"), "null");
    other = js_start(&script);
    CHECK_STR(js_call(other, "seal", "[]"), "null");
    anqa_js_get_counts(&now);
    CHECK(now.parked >= 1);
    CHECK_STR(js_call(pid, "open", "[]"), "[1,2,3]");
    CHECK_STR(js_call(other, "open", "[]"), "[1,2,3]");
    js_end(rt);
}

TEST(keys_and_operations_that_wait_go_with_a_snapshot)
{
    static const anqa_js_script script = SCRIPT(
        "let key, sealed, said = []; const how = {name: 'AES-GCM', iv: new Uint8Array(12)};\n"
        "export async function begin() {\n"
        "  key = await crypto.subtle.generateKey({name: 'AES-GCM', length: 256}, false, "
        "['encrypt', 'decrypt']);\n"
        "  sealed = await crypto.subtle.encrypt(how, key, new Uint8Array([1, 2, 3]));\n"
        "  const base = await crypto.subtle.importKey('raw', new Uint8Array(8), 'PBKDF2', false, "
        "['deriveBits']);\n"
        "  for (const iterations of [3000000, 3000000, 2000])\n"
        "    crypto.subtle.deriveBits({name: 'PBKDF2', hash: 'SHA-512', salt: new Uint8Array(8), "
        "iterations}, base, 8)\n"
        "      .then((b) => said.push(b.byteLength), (e) => said.push(e.name)); }\n"
        "export async function open() { return [...new Uint8Array(await crypto.subtle.decrypt(how, "
        "key, sealed))]; }\n"
        "export async function all() { while (said.length < 3) await Beam.sleep(5); return said; "
        "}\n");
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script), second = {0};
    anqa_str bytes = {NULL, 0};
    anqa_error err = {.text = ""};

    CHECK_STR(js_call(pid, "begin", "[]"), "null");
    CHECK_STATUS(anqa_js_snapshot(pid, LONG_MS, &bytes, &err), ANQA_OK, "%s", err.text);
    CHECK_STATUS(
        anqa_js_restore_link(&script, bytes, NULL, NULL, &second, &err), ANQA_OK, "%s", err.text);
    CHECK_STR(js_call(second, "open", "[]"), "[1,2,3]");
    CHECK_STR(js_call(second, "all", "[]"), "[\"OperationError\",\"OperationError\",1]");
    (void)anqa_trap_exit(true);
    CHECK_STR(js_kill(pid), "killed");
    js_end(rt);
}

/* ---------------------------------------------------------------- random values */

TEST(top_level_code_gets_no_random_values)
{
    static const anqa_js_script values = SCRIPT("crypto.getRandomValues(new Uint8Array(8));"),
                                uuid = SCRIPT("crypto.randomUUID();");
    static const anqa_js_script promises = SCRIPT(
        "const said = [];\n"
        "const note = (promise) => promise.then(() => said.push('fine'), (e) => "
        "said.push(e.message.slice(0, 40)));\n"
        "note(crypto.subtle.generateKey({name: 'AES-GCM', length: 128}, true, ['encrypt']));\n"
        "note(crypto.subtle.generateKey({name: 'ECDSA', namedCurve: 'P-256'}, true, ['sign']));\n"
        "note(crypto.subtle.digest('SHA-1', new Uint8Array(100000)));\n"
        "note(crypto.subtle.digest('SHA-1', new Uint8Array(100)));\n"
        "export const all = () => said;\n");
    anqa_rt *rt = js_begin(1);
    anqa_pid pid;
    anqa_error err;

    (void)anqa_trap_exit(true);
    CHECK_STATUS(anqa_js_start_link(&values, NULL, NULL, &pid, &err), ANQA_E_STOPPED);
    CHECK(strstr(err.text, "crypto's random values cannot be used in top-level code") != NULL, "%s",
        err.text);
    CHECK_STATUS(anqa_js_start_link(&uuid, NULL, NULL, &pid, &err), ANQA_E_STOPPED);
    CHECK_STR(js_call(js_start(&promises), "all", "[]"),
        "[\"crypto's random values cannot be used in\",\"random values of crypto cannot be used "
        "i\","
        "\"long operations of crypto cannot be used\",\"fine\"]");
    js_end(rt);
}

/* What random values, identifiers and keys come to in a runtime with that seed. */
static const char *random_of(uint64_t seed)
{
    static const anqa_js_script script =
        SCRIPT("export async function all() {\n"
               "  const { subtle } = crypto, texts = [[...crypto.getRandomValues(new "
               "Uint8Array(8))].join(), crypto.randomUUID()];\n"
               "  for (const name of ['Ed25519', 'X25519', 'P-256', 'P-384', 'P-521', 'AES']) {\n"
               "    const params = name === 'AES' ? {name: 'AES-GCM', length: 256} : name[0] === "
               "'P' ? {name: 'ECDH', namedCurve: name} : {name};\n"
               "    const made = await subtle.generateKey(params, true, name === 'AES' ? "
               "['encrypt'] : name === 'Ed25519' ? ['sign'] : ['deriveBits']);\n"
               "    const jwk = await subtle.exportKey('jwk', made.privateKey ?? made);\n"
               "    texts.push(jwk.d ?? jwk.k);\n"
               "  }\n"
               "  return texts.join(' ');\n"
               "}\n");
    const anqa_options options = {.deterministic = true, .seed = seed};
    static char text[3][2000];
    static unsigned turn;
    anqa_rt *rt = NULL;

    turn = (turn + 1) % 3;
    anqa_log_set_level(ANQA_LOG_NONE);
    CHECK_STATUS(anqa_start(&options, &rt, NULL), ANQA_OK);
    CHECK_STATUS(anqa_attach(rt, NULL), ANQA_OK);
    snprintf(text[turn], sizeof text[turn], "%s", js_call(js_start(&script), "all", "[]"));
    js_end(rt);
    return text[turn];
}

TEST(a_seed_repeats_random_values_and_keys)
{
    const char *first = random_of(1);

    CHECK(strlen(first) > 300, "%s", first);
    CHECK_STR(random_of(1), first);
    CHECK(strcmp(random_of(2), first) != 0);
}

/* ---------------------------------------------------------------- what scripts may see */

/* Replaces what code would use, and keeps all that comes by. The secret key is 77, 78, ... in bytes, "TU5P..." in Base64. */
static const char spying[] =
    "const seen = new Set(), bytes = Array.from({length: 32}, (_, i) => 77 + i);\n"
    "const { subtle } = crypto, { apply, ownKeys } = Reflect;\n"
    "const add = Set.prototype.add, values = Set.prototype.values, nextOf = "
    "Object.getPrototypeOf(new Set().values()).next;\n"
    "const note = (value) => { apply(add, seen, [value]); };\n"
    "const replaced = [], absent = ['then', 'k', 'd', 'toJSON', 'n', 'm', 'key', 'data', 'extra', "
    "'more', 'bytes', 'family', 'length', 'start', 'next', 'resolve', 'reject'];\n"
    "function replace(object, key) {\n"
    "  const was = Object.getOwnPropertyDescriptor(object, key);\n"
    "  if (was === undefined || !was.configurable || typeof (was.value ?? was.get) !== 'function') "
    "return;\n"
    "  const fn = was.value ?? was.get;\n"
    "  function spy(...args) { note(this); for (let i = 0; i < args.length; i++) note(args[i]);\n"
    "    const result = apply(fn, this, args); note(result); return result; }\n"
    "  replaced[replaced.length] = [object, key, was];\n"
    "  if (key === 'constructor') Object.defineProperty(object, key, {configurable: true,\n"
    "    get() { note(this); return fn; }});\n"
    "  else Object.defineProperty(object, key, was.get ? {get: spy, configurable: true} :\n"
    "    {value: spy, configurable: true, writable: true});\n"
    "}\n"
    "function spyOnAll() {\n"
    "  const Typed = Object.getPrototypeOf(Uint8Array.prototype);\n"
    "  for (const object of [Uint8Array.prototype, Typed, ArrayBuffer.prototype, "
    "DataView.prototype, Promise.prototype, Promise,\n"
    "    Map.prototype, String.prototype, Function.prototype, Reflect, JSON, Object, "
    "Array.prototype, Array,\n"
    "    Object.getPrototypeOf([][Symbol.iterator]())])\n"
    "    for (const key of ownKeys(object)) replace(object, key);\n"
    "  for (const key of absent)\n"
    "    Object.defineProperty(Object.prototype, key, {configurable: true, get() { note(this); "
    "return undefined; }, set(v) { note(this); note(v); }});\n"
    "}\n"
    "function stop() {\n"
    "  for (const key of absent) delete Object.prototype[key];\n"
    "  for (let i = replaced.length - 1; i >= 0; i--) Object.defineProperty(replaced[i][0], "
    "replaced[i][1], replaced[i][2]);\n"
    "}\n"
    "const holds = (list) => list.join().includes(bytes.slice(0, 8).join());\n"
    "function isSecret(value, depth = 0) {\n"
    "  if (typeof value === 'string') return value.includes('TU5PUFFS') || "
    "value.includes('4d4e4f5051');\n"
    "  if (value instanceof Promise) return Beam.peek.status(value) === 'fulfilled' && "
    "isSecret(Beam.peek(value), depth);\n"
    "  if (value instanceof ArrayBuffer) return holds([...new Uint8Array(value)]);\n"
    "  if (value instanceof Uint8Array) return holds([...value]);\n"
    "  if (typeof value !== 'object' || value === null) return false;\n"
    "  return JSON.stringify(value)?.includes('TU5PUFFS') === true || (depth < 3 && "
    "Object.values(value).some((v) => isSecret(v, depth + 1)));\n"
    "}\n"
    "const found = () => [...seen].filter((value) => isSecret(value)).length;\n"
    "const how = {name: 'AES-CTR', counter: new Uint8Array(16), length: 64};\n"
    "const rsa = {name: 'RSA-OAEP', hash: 'SHA-1'};\n"
    "let wrapper, pair, long, wrapped = {};\n"
    "export async function begin() {\n"
    "  wrapper = await subtle.importKey('raw', new Uint8Array(16), 'AES-CTR', false, ['wrapKey', "
    "'unwrapKey']);\n"
    "  pair = await subtle.generateKey({...rsa, modulusLength: 2050, publicExponent: new "
    "Uint8Array([3])}, false, ['wrapKey', 'unwrapKey']);\n"
    "  const key = await subtle.importKey('raw', new Uint8Array(bytes), 'AES-GCM', true, "
    "['encrypt']);\n"
    "  for (const format of ['raw', 'jwk']) wrapped[format] = await subtle.wrapKey(format, key, "
    "wrapper, how);\n"
    "  long = await subtle.wrapKey('raw', key, pair.publicKey, rsa);\n"
    "}\n"
    "export async function unwrap() {\n"
    "  spyOnAll();\n"
    "  const a = await subtle.unwrapKey('raw', wrapped.raw, wrapper, how, 'AES-GCM', false, "
    "['encrypt']);\n"
    "  const b = await subtle.unwrapKey('jwk', wrapped.jwk, wrapper, how, 'AES-GCM', false, "
    "['encrypt']);\n"
    "  const c = await subtle.unwrapKey('raw', long, pair.privateKey, rsa, 'AES-GCM', false, "
    "['encrypt']);\n"
    "  const sealed = await subtle.encrypt({name: 'AES-GCM', iv: new Uint8Array(12)}, c, new "
    "Uint8Array(5));\n"
    "  stop();\n"
    "  return [a.type, b.type, c.type, sealed.byteLength, seen.size > 20, found()].join();\n"
    "}\n"
    "export async function control() {\n"
    "  spyOnAll();\n"
    "  const c = await subtle.importKey('raw', new Uint8Array(bytes), 'AES-GCM', true, "
    "['encrypt']);\n"
    "  const jwk = await subtle.exportKey('jwk', c);\n"
    "  stop();\n"
    "  return found() > 0;\n"
    "}\n";

TEST(a_script_that_replaces_built_ins_sees_no_key_that_is_not_extractable)
{
    static const anqa_js_script script = SCRIPT(spying);
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(js_call(pid, "begin", "[]"), "null");
    CHECK_STR(js_call(pid, "unwrap", "[]"), "\"secret,secret,secret,21,true,0\"");
    CHECK_STR(js_call(pid, "control", "[]"), "true"); /* it would have seen it */
    js_end(rt);
}

/* One value: from text to bits and back, type by type. */
#include "base/config_int.h"

#include "base/utf8.h"

#include <inttypes.h>
#include <stdio.h>

struct unit {
    const char *name;
    uint64_t factor;
};

/* Largest first, for printing. The last one has factor 1. */
static const struct unit durations[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

static const struct unit sizes[] = {{"TB", (uint64_t)1 << 40}, {"GB", (uint64_t)1 << 30},
    {"MB", (uint64_t)1 << 20}, {"KB", 1024}, {"B", 1}};

static const struct unit size_aliases[] = {{"T", (uint64_t)1 << 40}, {"TiB", (uint64_t)1 << 40},
    {"G", (uint64_t)1 << 30}, {"GiB", (uint64_t)1 << 30}, {"M", (uint64_t)1 << 20},
    {"MiB", (uint64_t)1 << 20}, {"K", 1024}, {"KiB", 1024}};

static const struct {
    const char *name;
    bool value;
} bools[] = {{"true", true}, {"false", false}, {"yes", true}, {"no", false}, {"on", true},
    {"off", false}, {"1", true}, {"0", false}};

static const char no_number[] = "is not a whole number";
static const char too_large[] = "is too large";

const char *config_type_name(anqa_config_type type)
{
    static const char *const names[] = {
        "bool", "int", "uint", "duration", "size", "string", "enum"};

    return (size_t)type < ANQA_COUNT(names) ? names[type] : "unknown";
}

static anqa_status refuse(struct config_refusal *ret_refusal, anqa_status status, const char *why)
{
    *ret_refusal = (struct config_refusal){status, why};
    return status;
}

/* ---------------------------------------------------------------- limits */

static bool is_signed(const anqa_config_option *option)
{
    return option->type == ANQA_CONFIG_INT;
}

/* Bits of the member, all of them set; for durations that is "infinity". */
static uint64_t member_mask(const anqa_config_option *option)
{
    return option->size >= 8 ? UINT64_MAX : ((uint64_t)1 << (8 * option->size)) - 1;
}

static bool has_upper(const anqa_config_option *option)
{
    return (option->min != 0 || option->max != 0) && option->max >= option->min;
}

static uint64_t upper(const anqa_config_option *option)
{
    uint64_t most = member_mask(option);

    if (option->type == ANQA_CONFIG_STR)
        most = ANQA_CONFIG_FILE_MAX;
    if (is_signed(option))
        most >>= 1;
    if (option->type == ANQA_CONFIG_DURATION)
        most--; /* the last one is infinity */
    if (has_upper(option) && option->max >= 0 && (uint64_t)option->max < most)
        most = (uint64_t)option->max;
    return most;
}

static int64_t lower(const anqa_config_option *option)
{
    int64_t least = is_signed(option) ? -(int64_t)(member_mask(option) >> 1) - 1 : 0;

    return option->min > least && (option->min != 0 || option->max != 0) ? option->min : least;
}

static bool in_bounds_signed(const anqa_config_option *option, int64_t value)
{
    if (value < lower(option))
        return false;
    if (has_upper(option) && option->max < 0)
        return value <= option->max;
    return value < 0 || (uint64_t)value <= upper(option);
}

static bool in_bounds_unsigned(const anqa_config_option *option, uint64_t value)
{
    return value >= (uint64_t)lower(option) && value <= upper(option);
}

bool config_value_fits_type(const anqa_config_option *option)
{
    size_t size = option->size;

    switch (option->type) {
    case ANQA_CONFIG_BOOL: return size == sizeof(bool);
    case ANQA_CONFIG_INT:
    case ANQA_CONFIG_UINT: return size == 1 || size == 2 || size == 4 || size == 8;
    case ANQA_CONFIG_DURATION:
    case ANQA_CONFIG_SIZE: return size == 4 || size == 8;
    case ANQA_CONFIG_STR: return size == sizeof(char *);
    case ANQA_CONFIG_ENUM:
        return size == sizeof(int) && option->choices != NULL && option->choices[0] != NULL;
    default: return false;
    }
}

/* ---------------------------------------------------------------- numbers */

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return 16;
}

/* Takes digits off the front of *text; '_' may stand between two of them. */
static anqa_status take_number(
    anqa_str *text, uint64_t base, uint64_t *ret_number, struct config_refusal *ret_refusal)
{
    uint64_t number = 0;
    size_t i = 0;

    for (bool digit = false; i < text->len; i++) {
        int d = digit_of(text->ptr[i]);
        if (text->ptr[i] == '_' && digit && i + 1 < text->len &&
            (uint64_t)digit_of(text->ptr[i + 1]) < base)
            continue;
        if ((uint64_t)d >= base)
            break;
        digit = true;
        if (__builtin_mul_overflow(number, base, &number) ||
            __builtin_add_overflow(number, (uint64_t)d, &number))
            return refuse(ret_refusal, ANQA_E_RANGE, too_large);
    }
    if (i == 0)
        return refuse(ret_refusal, ANQA_E_PARSE, no_number);
    *text = anqa_str_make(text->ptr + i, text->len - i);
    *ret_number = number;
    return ANQA_OK;
}

/* A whole text as digits, decimal or with 0x. */
static anqa_status parse_number(
    anqa_str text, uint64_t *ret_number, struct config_refusal *ret_refusal)
{
    uint64_t base = 10;
    anqa_status s;

    if (anqa_str_starts(text, anqa_str_of("0x")) || anqa_str_starts(text, anqa_str_of("0X"))) {
        base = 16;
        text = anqa_str_make(text.ptr + 2, text.len - 2);
    }
    s = take_number(&text, base, ret_number, ret_refusal);
    if (s != ANQA_OK)
        return s;
    return text.len == 0 ? ANQA_OK : refuse(ret_refusal, ANQA_E_PARSE, no_number);
}

static anqa_status parse_int(const anqa_config_option *option, anqa_str text, uint64_t *ret_bits,
    struct config_refusal *ret_refusal)
{
    bool negative = text.len > 0 && text.ptr[0] == '-';
    uint64_t number;
    anqa_status s;

    if (text.len > 0 && (negative || text.ptr[0] == '+'))
        text = anqa_str_make(text.ptr + 1, text.len - 1);
    s = parse_number(text, &number, ret_refusal);
    if (s != ANQA_OK)
        return s;
    if (number > (uint64_t)INT64_MAX + negative)
        return refuse(ret_refusal, ANQA_E_RANGE, negative ? "is too small" : too_large);
    number = negative ? -number : number;
    if (!in_bounds_signed(option, (int64_t)number))
        return refuse(ret_refusal, ANQA_E_RANGE, "is out of bounds");
    *ret_bits = number;
    return ANQA_OK;
}

static anqa_status parse_uint(const anqa_config_option *option, anqa_str text, uint64_t *ret_bits,
    struct config_refusal *ret_refusal)
{
    anqa_status s = parse_number(text, ret_bits, ret_refusal);

    if (s != ANQA_OK)
        return s;
    if (!in_bounds_unsigned(option, *ret_bits))
        return refuse(ret_refusal, ANQA_E_RANGE, "is out of bounds");
    return ANQA_OK;
}

/* ---------------------------------------------------------------- numbers with units */

static char lower_case(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c;
}

static bool same_without_case(anqa_str a, const char *b)
{
    if (a.len != strlen(b))
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower_case(a.ptr[i]) != lower_case(b[i]))
            return false;
    return true;
}

static uint64_t find_unit(anqa_str name, const struct unit *units, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (same_without_case(name, units[i].name))
            return units[i].factor;
    return 0;
}

/* Takes the letters off the front. */
static anqa_str take_letters(anqa_str *text)
{
    size_t i = 0;
    anqa_str letters;

    while (i < text->len && lower_case(text->ptr[i]) >= 'a' && lower_case(text->ptr[i]) <= 'z')
        i++;
    letters = anqa_str_make(text->ptr, i);
    *text = anqa_str_make(text->ptr + i, text->len - i);
    return letters;
}

/* "1m30s": parts in falling order of their units, so that "30s1m" is seen as the slip it is. */
static anqa_status parse_duration_parts(
    anqa_str text, uint64_t *ret_ms, struct config_refusal *ret_refusal)
{
    uint64_t total = 0, last = UINT64_MAX;

    while (text.len > 0) {
        uint64_t number, part, factor;
        anqa_status s = take_number(&text, 10, &number, ret_refusal);
        if (s != ANQA_OK)
            return refuse(
                ret_refusal, s, s == ANQA_E_PARSE ? "is not a duration" : ret_refusal->why);
        factor = find_unit(take_letters(&text), durations, ANQA_COUNT(durations));
        if (factor == 0)
            return refuse(ret_refusal, ANQA_E_PARSE, "needs one of the units ms, s, m, h, d");
        if (factor >= last)
            return refuse(ret_refusal, ANQA_E_PARSE, "has its units out of order");
        last = factor;
        if (__builtin_mul_overflow(number, factor, &part) ||
            __builtin_add_overflow(total, part, &total))
            return refuse(ret_refusal, ANQA_E_RANGE, too_large);
    }
    *ret_ms = total;
    return ANQA_OK;
}

static anqa_status parse_duration(const anqa_config_option *option, anqa_str text,
    uint64_t *ret_bits, struct config_refusal *ret_refusal)
{
    anqa_status s = ANQA_OK;

    if (anqa_str_is(text, "infinity")) {
        if (has_upper(option))
            return refuse(ret_refusal, ANQA_E_RANGE, "is not allowed here");
        *ret_bits = member_mask(option);
        return ANQA_OK;
    }
    if (text.len == 0)
        return refuse(ret_refusal, ANQA_E_PARSE, "is not a duration");
    if (anqa_str_is(text, "0"))
        *ret_bits = 0; /* the one number that means the same in any unit */
    else
        s = parse_duration_parts(text, ret_bits, ret_refusal);
    if (s != ANQA_OK)
        return s;
    if (!in_bounds_unsigned(option, *ret_bits))
        return refuse(ret_refusal, ANQA_E_RANGE, "is out of bounds");
    return ANQA_OK;
}

static anqa_status parse_size(const anqa_config_option *option, anqa_str text, uint64_t *ret_bits,
    struct config_refusal *ret_refusal)
{
    uint64_t number, factor;
    anqa_status s = take_number(&text, 10, &number, ret_refusal);

    if (s != ANQA_OK)
        return refuse(ret_refusal, s, s == ANQA_E_PARSE ? "is not a size" : ret_refusal->why);
    while (text.len > 0 && text.ptr[0] == ' ')
        text = anqa_str_make(text.ptr + 1, text.len - 1);
    factor = text.len == 0 ? 1 : find_unit(text, sizes, ANQA_COUNT(sizes));
    if (factor == 0)
        factor = find_unit(text, size_aliases, ANQA_COUNT(size_aliases));
    if (factor == 0)
        return refuse(ret_refusal, ANQA_E_PARSE, "needs one of the units B, KB, MB, GB, TB");
    if (__builtin_mul_overflow(number, factor, ret_bits))
        return refuse(ret_refusal, ANQA_E_RANGE, too_large);
    if (!in_bounds_unsigned(option, *ret_bits))
        return refuse(ret_refusal, ANQA_E_RANGE, "is out of bounds");
    return ANQA_OK;
}

/* ---------------------------------------------------------------- words */

static anqa_status parse_bool(anqa_str text, uint64_t *ret_bits, struct config_refusal *ret_refusal)
{
    for (size_t i = 0; i < ANQA_COUNT(bools); i++) {
        if (same_without_case(text, bools[i].name)) {
            *ret_bits = bools[i].value;
            return ANQA_OK;
        }
    }
    return refuse(ret_refusal, ANQA_E_PARSE, "is neither true nor false");
}

static anqa_status parse_enum(const anqa_config_option *option, anqa_str text, uint64_t *ret_bits,
    struct config_refusal *ret_refusal)
{
    for (size_t i = 0; option->choices[i] != NULL; i++) {
        if (anqa_str_is(text, option->choices[i])) {
            *ret_bits = i;
            return ANQA_OK;
        }
    }
    return refuse(ret_refusal, ANQA_E_PARSE, "is none of the choices");
}

/* Line ends and tabs may be in a value: certificates are configured too. */
static bool is_control(char c)
{
    return ((unsigned char)c < ' ' && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
}

static anqa_status parse_str(
    const anqa_config_option *option, anqa_str text, struct config_refusal *ret_refusal)
{
    if (!utf8_valid(text.ptr, text.len))
        return refuse(ret_refusal, ANQA_E_PARSE, "is not UTF-8");
    for (size_t i = 0; i < text.len; i++)
        if (is_control(text.ptr[i]))
            return refuse(ret_refusal, ANQA_E_PARSE, "holds a control character");
    if (!in_bounds_unsigned(option, text.len))
        return refuse(
            ret_refusal, ANQA_E_RANGE, text.len == 0 ? "is empty" : "has a length out of bounds");
    return ANQA_OK;
}

static anqa_status parse_bits(const anqa_config_option *option, anqa_str raw, uint64_t *ret_bits,
    struct config_refusal *ret_refusal)
{
    switch (option->type) {
    case ANQA_CONFIG_BOOL: return parse_bool(raw, ret_bits, ret_refusal);
    case ANQA_CONFIG_INT: return parse_int(option, raw, ret_bits, ret_refusal);
    case ANQA_CONFIG_UINT: return parse_uint(option, raw, ret_bits, ret_refusal);
    case ANQA_CONFIG_DURATION: return parse_duration(option, raw, ret_bits, ret_refusal);
    case ANQA_CONFIG_SIZE: return parse_size(option, raw, ret_bits, ret_refusal);
    case ANQA_CONFIG_ENUM: return parse_enum(option, raw, ret_bits, ret_refusal);
    case ANQA_CONFIG_STR: return parse_str(option, raw, ret_refusal);
    default: return refuse(ret_refusal, ANQA_E_INVALID, "has a type that is none");
    }
}

/* ---------------------------------------------------------------- printing */

/* "1m30s", "infinity". Room: 20 digits, and at most one part for each unit. */
static void print_duration(uint64_t ms, uint64_t infinity, char *text, size_t size)
{
    size_t len = 0;

    if (ms == infinity) {
        snprintf(text, size, "infinity");
        return;
    }
    if (ms == 0)
        snprintf(text, size, "0ms");
    for (size_t i = 0; i < ANQA_COUNT(durations) && ms != 0; i++) {
        if (ms < durations[i].factor)
            continue;
        len += (size_t)snprintf(
            text + len, size - len, "%" PRIu64 "%s", ms / durations[i].factor, durations[i].name);
        ms %= durations[i].factor;
    }
}

/* In the largest unit that leaves no rest. */
static void print_size(uint64_t bytes, char *text, size_t size)
{
    size_t i = 0;

    while (i + 1 < ANQA_COUNT(sizes) && (bytes == 0 || bytes % sizes[i].factor != 0))
        i++;
    snprintf(text, size, "%" PRIu64 "%s", bytes / sizes[i].factor, sizes[i].name);
}

static void print_bits(const anqa_config_option *option, uint64_t bits, char *text, size_t size)
{
    switch (option->type) {
    case ANQA_CONFIG_BOOL: snprintf(text, size, "%s", bits ? "true" : "false"); return;
    case ANQA_CONFIG_INT: snprintf(text, size, "%" PRId64, (int64_t)bits); return;
    case ANQA_CONFIG_DURATION: print_duration(bits, member_mask(option), text, size); return;
    case ANQA_CONFIG_SIZE: print_size(bits, text, size); return;
    default: snprintf(text, size, "%" PRIu64, bits); return;
    }
}

anqa_status config_value_parse(
    struct config_entry *entry, anqa_str raw, anqa_arena *arena, struct config_refusal *ret_refusal)
{
    const anqa_config_option *option = entry->option;
    char number[96];
    uint64_t bits = 0;
    anqa_str text = raw;
    anqa_status s = parse_bits(option, raw, &bits, ret_refusal);

    if (s != ANQA_OK)
        return s;
    if (option->type == ANQA_CONFIG_ENUM) {
        text = anqa_str_of(option->choices[bits]);
    } else if (option->type != ANQA_CONFIG_STR) {
        print_bits(option, bits, number, sizeof number);
        text = anqa_str_of(number);
    }
    text.ptr = anqa_arena_copy(arena, text.ptr, text.len);
    if (text.ptr == NULL)
        return refuse(ret_refusal, ANQA_E_NOMEM, "does not fit in memory");
    entry->bits = bits;
    entry->text = text;
    return ANQA_OK;
}

static void allowed_choices(const anqa_config_option *option, char *text, size_t size)
{
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; option->choices[i] != NULL && len < size; i++)
        len += (size_t)snprintf(
            text + len, size - len, "%s%s", i == 0 ? "" : ", ", option->choices[i]);
}

static void allowed_numbers(const anqa_config_option *option, char *text, size_t size)
{
    char least[96], most[96];

    print_bits(option, (uint64_t)lower(option), least, sizeof least);
    print_bits(option, has_upper(option) && option->max < 0 ? (uint64_t)option->max : upper(option),
        most, sizeof most);
    if (!has_upper(option) && option->type == ANQA_CONFIG_DURATION)
        snprintf(text, size, "%s or more, infinity", least);
    else if (!has_upper(option) && option->size == 8)
        snprintf(text, size, "%s or more", least);
    else
        snprintf(text, size, "%s to %s", least, most);
}

void config_value_allowed(const anqa_config_option *option, char *text, size_t size)
{
    switch (option->type) {
    case ANQA_CONFIG_BOOL: snprintf(text, size, "true, false"); return;
    case ANQA_CONFIG_ENUM: allowed_choices(option, text, size); return;
    case ANQA_CONFIG_STR:
        snprintf(text, size, "%" PRId64 " to %" PRIu64 " bytes", lower(option), upper(option));
        return;
    case ANQA_CONFIG_INT:
        if (option->size == 8 && lower(option) == INT64_MIN && upper(option) == INT64_MAX) {
            snprintf(text, size, "whole numbers");
            return;
        }
        break;
    default: break;
    }
    allowed_numbers(option, text, size);
}

anqa_str config_shown_text(const struct config_entry *entry)
{
    if (entry->option->secret && entry->text.len != 0)
        return anqa_str_of("(hidden)");
    return entry->text;
}

/* ---------------------------------------------------------------- storing */

void config_value_store(const struct config_entry *entry)
{
    char *member = (char *)entry->area->into + entry->option->offset;
    bool on = entry->bits != 0;
    int choice = (int)entry->bits;

    switch (entry->option->type) {
    case ANQA_CONFIG_BOOL: memcpy(member, &on, sizeof on); return;
    case ANQA_CONFIG_ENUM: memcpy(member, &choice, sizeof choice); return;
    case ANQA_CONFIG_STR: memcpy(member, &entry->text.ptr, sizeof entry->text.ptr); return;
    default:
        memcpy(member, &entry->bits, entry->option->size);
        return; /* little endian: the low bytes come first */
    }
}

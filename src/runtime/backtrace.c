#include "runtime/backtrace.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <unwind.h>

enum { MAX_RANGES = 64, MAX_LEAVES = 160 };

/* Functions of the C library that application code may fault in: each only reads and writes what it was given. */
static const char *const leaf_names[] = {
    "memcpy",
    "memmove",
    "mempcpy",
    "memset",
    "memcmp",
    "bcmp",
    "memchr",
    "memrchr",
    "rawmemchr",
    "memccpy",
    "memmem",
    "memfrob",
    "bzero",
    "explicit_bzero",
    "strlen",
    "strnlen",
    "strcpy",
    "strncpy",
    "stpcpy",
    "stpncpy",
    "strcat",
    "strncat",
    "strcmp",
    "strncmp",
    "strcasecmp",
    "strncasecmp",
    "strchr",
    "strrchr",
    "strchrnul",
    "strspn",
    "strcspn",
    "strpbrk",
    "strstr",
    "strcasestr",
    "strsep",
    "strtok_r",
    "__memcpy_chk",
    "__memmove_chk",
    "__mempcpy_chk",
    "__memset_chk",
    "__strcpy_chk",
    "__stpcpy_chk",
    "__strncpy_chk",
    "__stpncpy_chk",
    "__strcat_chk",
    "__strncat_chk",
    "__explicit_bzero_chk",
    "__strtok_r",
    "__rawmemchr",
    "__stpcpy",
};

/* The variants of these share their tails: that of the plain one is part of the next function, which has an unwind
 * entry of its own and no exported name. All that lies so near behind is of the same family. */
static const char *const shared_tail_names[] = {"memcpy", "memmove", "mempcpy", "memset"};
enum { SHARED_TAIL = 256 };

static const struct {
    const char *name;
    enum text_abort kind;
} abort_names[] = {
    {"abort", TEXT_ABORT},
    {"raise", TEXT_RAISE},
    {"pthread_kill", TEXT_RAISE},
    {"__assert_fail", TEXT_ASSERT},
    {"__assert_perror_fail", TEXT_ASSERT},
    {"__assert", TEXT_ASSERT},
};

struct range {
    uintptr_t low, high;
};

static struct {
    pthread_mutex_t lock; /* guards writing */
    bool ready;
    struct range ranges[MAX_RANGES];
    _Atomic(uint32_t) count; /* shared: ranges below it never change */
    uintptr_t leaves[MAX_LEAVES];
    uint32_t leaf_count;
    uintptr_t tails[ANQA_COUNT(shared_tail_names)];
    uintptr_t aborts[ANQA_COUNT(abort_names)];
} text = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---------------------------------------------------------------- text */

struct wanted_object {
    uintptr_t address;
    bool first; /* the main program instead */
    anqa_status status;
};

static bool object_holds(const struct dl_phdr_info *object, uintptr_t address)
{
    for (unsigned i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        if (segment->p_type == PT_LOAD &&
            address - (object->dlpi_addr + segment->p_vaddr) < segment->p_memsz)
            return true;
    }
    return false;
}

static anqa_status add_range(uintptr_t low, uintptr_t high)
{
    uint32_t count = atomic_load_explicit(&text.count, memory_order_relaxed);

    if (text_is_application(low))
        return ANQA_OK;
    if (count == MAX_RANGES)
        return ANQA_E_LIMIT;
    text.ranges[count] = (struct range){low, high};
    atomic_store_explicit(
        &text.count, count + 1, memory_order_release); /* pairs with text_is_application */
    return ANQA_OK;
}

static int add_object(struct dl_phdr_info *object, size_t size, void *arg)
{
    struct wanted_object *wanted = arg;

    if (!wanted->first && !object_holds(object, wanted->address))
        return 0;
    wanted->status = ANQA_OK;
    for (unsigned i = 0; i < object->dlpi_phnum && wanted->status == ANQA_OK; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        uintptr_t low = object->dlpi_addr + segment->p_vaddr;
        if (segment->p_type == PT_LOAD && (segment->p_flags & PF_X) != 0)
            wanted->status = add_range(low, low + segment->p_memsz);
    }
    return 1; /* found */
}

bool text_is_application(uintptr_t address)
{
    uint32_t count =
        atomic_load_explicit(&text.count, memory_order_acquire); /* pairs with add_range */

    for (uint32_t i = 0; i < count; i++) {
        if (address - text.ranges[i].low < text.ranges[i].high - text.ranges[i].low)
            return true;
    }
    return false;
}

static void add_leaf(void *handle, const char *name)
{
    uintptr_t function = (uintptr_t)dlsym(handle, name);

    if (function != 0 && text.leaf_count < MAX_LEAVES)
        text.leaves[text.leaf_count++] = function;
}

/* Under a sanitizer the default is its own version, which calls the C library's: both are wanted. */
static void find_functions(void *libc)
{
    for (size_t i = 0; i < ANQA_COUNT(leaf_names); i++) {
        add_leaf(RTLD_DEFAULT, leaf_names[i]);
        add_leaf(libc, leaf_names[i]);
    }
    for (size_t i = 0; i < ANQA_COUNT(shared_tail_names); i++)
        text.tails[i] = (uintptr_t)dlsym(libc, shared_tail_names[i]);
    for (size_t i = 0; i < ANQA_COUNT(abort_names); i++)
        text.aborts[i] = (uintptr_t)dlsym(libc, abort_names[i].name);
}

static _Unwind_Reason_Code warm_up_step(struct _Unwind_Context *context, void *arg)
{
    (void)_Unwind_GetCFA(context);
    (void)_Unwind_GetRegionStart(context);
    return _URC_NO_REASON;
}

static void text_init_locked(void)
{
    struct wanted_object program = {.first = true}, anqa = {.address = (uintptr_t)&text};
    void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);

    (void)dl_iterate_phdr(add_object, &program);
    (void)dl_iterate_phdr(add_object, &anqa);
    find_functions(libc != NULL ? libc : RTLD_DEFAULT);
    if (libc != NULL)
        dlclose(libc);
    (void)_Unwind_Backtrace(warm_up_step, NULL);
    text.ready = true;
}

void text_init(void)
{
    pthread_mutex_lock(&text.lock);
    if (!text.ready)
        text_init_locked();
    pthread_mutex_unlock(&text.lock);
}

/* The link map that an address belongs to; NULL: none. */
static const struct link_map *object_of(uintptr_t address)
{
    struct dl_find_object found;

    return _dl_find_object((void *)address, &found) == 0 ? found.dlfo_link_map : NULL;
}

/* Objects whose frames are never application text, whatever one says: they hold locks. */
static bool is_never_application(const struct link_map *object)
{
    static const char *const names[] = {"malloc", "abort", "_Unwind_Backtrace", "_dl_find_object"};

    for (size_t i = 0; i < ANQA_COUNT(names); i++) {
        if (object == object_of((uintptr_t)dlsym(RTLD_DEFAULT, names[i])))
            return true;
    }
    return object == object_of(text.aborts[0]);
}

anqa_status text_trust(const void *address)
{
    struct wanted_object wanted = {.address = (uintptr_t)address, .status = ANQA_E_NOT_FOUND};
    const struct link_map *object = object_of((uintptr_t)address);

    text_init();
    if (object == NULL)
        return ANQA_E_NOT_FOUND;
    if (is_never_application(object))
        return ANQA_E_INVALID;
    pthread_mutex_lock(&text.lock);
    (void)dl_iterate_phdr(add_object, &wanted);
    pthread_mutex_unlock(&text.lock);
    return wanted.status;
}

bool text_is_leaf(uintptr_t function)
{
    for (uint32_t i = 0; i < text.leaf_count; i++) {
        if (text.leaves[i] == function)
            return true;
    }
    for (size_t i = 0; i < ANQA_COUNT(text.tails); i++) {
        if (text.tails[i] != 0 && function - text.tails[i] < SHARED_TAIL)
            return true;
    }
    return false;
}

bool text_is_sanitizer(uintptr_t address)
{
#ifdef __SANITIZE_ADDRESS__
    void __asan_init(void);
    return object_of(address) == object_of((uintptr_t)__asan_init);
#else
    return false;
#endif
}

enum text_abort text_abort_kind(uintptr_t function)
{
    for (size_t i = 0; i < ANQA_COUNT(abort_names); i++) {
        if (text.aborts[i] == function && function != 0)
            return abort_names[i].kind;
    }
    return TEXT_NOT_ABORT;
}

/* ---------------------------------------------------------------- walking */

#define HERE_WALKED 256u /* frames of backtrace_here that are looked at */

struct walk {
    struct backtrace *trace;
    void (*visit)(const struct backtrace_frame *frame, void *arg);
    void *arg;
    bool inside; /* of the interrupted code */
    uintptr_t bottom;
    uint32_t left;
};

void backtrace_note(struct backtrace *trace, uintptr_t ip)
{
    trace->depth++;
    if (trace->count < BACKTRACE_KEPT)
        trace->ip[trace->count++] = ip;
}

static _Unwind_Reason_Code walk_step(struct _Unwind_Context *context, void *arg)
{
    struct walk *walk = arg;
    struct backtrace_frame frame;
    int exact = 0;

    frame.ip = _Unwind_GetIPInfo(context, &exact);
    if (!walk->inside && !exact) /* frames of the handler */
        return _URC_NO_REASON;
    walk->inside = true;
    if (frame.ip == 0) {
        walk->bottom = _Unwind_GetCFA(context);
        return _URC_END_OF_STACK;
    }
    frame.function = _Unwind_GetRegionStart(context);
    backtrace_note(walk->trace, frame.ip);
    walk->visit(&frame, walk->arg);
    return --walk->left == 0 ? _URC_END_OF_STACK : _URC_NO_REASON;
}

uintptr_t backtrace_walk(struct backtrace *trace,
    void (*visit)(const struct backtrace_frame *frame, void *arg), void *arg)
{
    struct walk walk = {.trace = trace, .visit = visit, .arg = arg, .left = BACKTRACE_WALKED};

    (void)_Unwind_Backtrace(walk_step, &walk);
    return walk.bottom;
}

static _Unwind_Reason_Code here_step(struct _Unwind_Context *context, void *arg)
{
    struct walk *walk = arg;
    uintptr_t ip = _Unwind_GetIP(context);

    if (walk->left-- > HERE_WALKED) /* our own frame, and the caller's */
        return _URC_NO_REASON;
    if (ip == 0 || walk->left == 0)
        return _URC_END_OF_STACK;
    /* [0] is an instruction: that of the call, not the one behind it, which may be another function's. */
    backtrace_note(walk->trace, walk->trace->count == 0 ? ip - 1 : ip);
    return _URC_NO_REASON;
}

void backtrace_here(struct backtrace *trace)
{
    struct walk walk = {.trace = trace, .left = HERE_WALKED + 2};

    *trace = (struct backtrace){0};
    (void)_Unwind_Backtrace(here_step, &walk);
}

/* ---------------------------------------------------------------- text for people */

void line_text(struct line *line, const char *bytes)
{
    while (*bytes != '\0' && line->at < line->end)
        *line->at++ = *bytes++;
}

void line_hex(struct line *line, uintptr_t value)
{
    int shift = 60;

    line_text(line, "0x");
    while (shift > 0 && value >> shift == 0)
        shift -= 4;
    for (; shift >= 0 && line->at < line->end; shift -= 4)
        *line->at++ = "0123456789abcdef"[value >> shift & 15];
}

void line_number(struct line *line, uint64_t value)
{
    char digits[21];
    char *at = digits + sizeof digits - 1;

    *at = '\0';
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    line_text(line, at);
}

static const char *object_name(const struct link_map *object)
{
    const char *slash = strrchr(object->l_name, '/');

    if (object->l_name[0] == '\0')
        return program_invocation_short_name;
    return slash == NULL ? object->l_name : slash + 1;
}

void line_place(struct line *line, uintptr_t address)
{
    const struct link_map *object = object_of(address);

    if (object != NULL) {
        line_text(line, object_name(object));
        line_text(line, "+");
        address -= object->l_addr;
    }
    line_hex(line, address);
}

/* ---------------------------------------------------------------- symbol tables */

struct elf_file {
    const char *bytes;
    size_t size;
};

struct elf_symbols {
    const ElfW(Sym) * symbols;
    size_t count;
    const char *names;
    size_t names_size;
};

/* Part of a file as an array; NULL when it is not all there. */
static const void *elf_part(const struct elf_file *file, uint64_t offset, uint64_t size)
{
    return offset <= file->size && size <= file->size - offset ? file->bytes + offset : NULL;
}

/* The section of symbols with all functions, or, in a stripped file, the one with the exported ones. */
static const ElfW(Shdr) * elf_symbol_section(const ElfW(Shdr) * sections, unsigned count)
{
    const ElfW(Shdr) *dynamic = NULL;

    for (unsigned i = 0; i < count; i++) {
        if (sections[i].sh_type == SHT_SYMTAB)
            return &sections[i];
        if (sections[i].sh_type == SHT_DYNSYM)
            dynamic = &sections[i];
    }
    return dynamic;
}

static bool elf_symbols_get(const struct elf_file *file, struct elf_symbols *ret_symbols)
{
    const ElfW(Ehdr) *header = elf_part(file, 0, sizeof *header);
    const ElfW(Shdr) * sections, *table, *names;

    if (header == NULL || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
        return false;
    sections = elf_part(file, header->e_shoff, (uint64_t)header->e_shnum * sizeof *sections);
    table = sections == NULL ? NULL : elf_symbol_section(sections, header->e_shnum);
    if (table == NULL || table->sh_link >= header->e_shnum)
        return false;
    names = &sections[table->sh_link];
    ret_symbols->symbols = elf_part(file, table->sh_offset, table->sh_size);
    ret_symbols->count = table->sh_size / sizeof *ret_symbols->symbols;
    ret_symbols->names = elf_part(file, names->sh_offset, names->sh_size);
    ret_symbols->names_size = names->sh_size;
    return ret_symbols->symbols != NULL && ret_symbols->names != NULL;
}

static bool is_function(const struct elf_symbols *all, const ElfW(Sym) * symbol)
{
    return ELF64_ST_TYPE(symbol->st_info) == STT_FUNC && symbol->st_shndx != SHN_UNDEF &&
           symbol->st_size != 0 && symbol->st_name < all->names_size;
}

static bool elf_file_map(const struct link_map *object, struct elf_file *ret_file)
{
    int fd =
        open(object->l_name[0] == '\0' ? "/proc/self/exe" : object->l_name, O_RDONLY | O_CLOEXEC);
    void *bytes = MAP_FAILED;
    struct stat st;

    if (fd < 0)
        return false;
    if (fstat(fd, &st) == 0 && st.st_size > 0)
        bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (bytes == MAP_FAILED)
        return false;
    *ret_file = (struct elf_file){bytes, (size_t)st.st_size};
    return true;
}

static void elf_file_unmap(const struct elf_file *file)
{
    munmap((void *)(uintptr_t)file->bytes, file->size);
}

/* ---------------------------------------------------------------- names */

/* The functions of one object, sorted. Made once, never freed; the names stay in the mapped file. */
struct known_function {
    uint32_t start, size, name;
};

struct known_object {
    const struct link_map *object;
    const struct known_function *functions;
    size_t count;
    const char *names;
};

static struct {
    pthread_mutex_t lock; /* guards writing */
    struct known_object objects[2];
    _Atomic(uint32_t) count; /* shared: objects below it never change */
} known = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int compare_functions(const void *a, const void *b)
{
    const struct known_function *left = a, *right = b;

    return (left->start > right->start) - (left->start < right->start);
}

/* Not malloc: nothing of this is the program's own. */
static struct known_function *sorted_functions(const struct elf_symbols *all, size_t *ret_count)
{
    struct known_function *functions = mmap(NULL, all->count * sizeof *functions + 1,
        PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t count = 0;

    if (functions == MAP_FAILED)
        return NULL;
    for (size_t i = 0; i < all->count; i++) {
        const ElfW(Sym) *symbol = &all->symbols[i];
        if (is_function(all, symbol))
            functions[count++] = (struct known_function){
                (uint32_t)symbol->st_value, (uint32_t)symbol->st_size, symbol->st_name};
    }
    qsort(functions, count, sizeof *functions, compare_functions);
    *ret_count = count;
    return functions;
}

static void know_object(const struct link_map *object)
{
    uint32_t count = atomic_load_explicit(&known.count, memory_order_relaxed);
    struct elf_symbols all;
    struct elf_file file;
    struct known_object new = {.object = object};

    for (uint32_t i = 0; i < count; i++) {
        if (known.objects[i].object == object)
            return;
    }
    if (object == NULL || count == ANQA_COUNT(known.objects) || !elf_file_map(object, &file))
        return;
    new.functions = elf_symbols_get(&file, &all) ? sorted_functions(&all, &new.count) : NULL;
    if (new.functions == NULL) {
        elf_file_unmap(&file);
        return;
    }
    new.names = all.names;
    known.objects[count] = new;
    atomic_store_explicit(
        &known.count, count + 1, memory_order_release); /* pairs with line_known_symbol */
}

void symbols_load(void)
{
    text_init();
    pthread_mutex_lock(&known.lock);
    know_object(object_of(text.ranges[0].low)); /* the main program */
    know_object(object_of((uintptr_t)&text));
    pthread_mutex_unlock(&known.lock);
}

static void line_name(struct line *line, const char *name, uintptr_t offset)
{
    line_text(line, " <");
    line_text(line, name);
    line_text(line, "+");
    line_hex(line, offset);
    line_text(line, ">");
}

static const struct known_function *function_around(const struct known_object *in, uintptr_t offset)
{
    size_t low = 0, high = in->count;

    while (low < high) { /* the first that starts behind the offset */
        size_t middle = (low + high) / 2;
        if (in->functions[middle].start <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || offset - in->functions[low - 1].start >= in->functions[low - 1].size)
        return NULL;
    return &in->functions[low - 1];
}

bool line_known_symbol(struct line *line, uintptr_t address)
{
    uint32_t count =
        atomic_load_explicit(&known.count, memory_order_acquire); /* pairs with know_object */
    const struct link_map *object = count == 0 ? NULL : object_of(address);

    for (uint32_t i = 0; i < count && object != NULL; i++) {
        const struct known_object *in = &known.objects[i];
        const struct known_function *function =
            in->object == object ? function_around(in, address - object->l_addr) : NULL;
        if (function == NULL)
            continue;
        line_name(line, in->names + function->name, address - object->l_addr - function->start);
        return true;
    }
    return false;
}

static void line_symbol_of(struct line *line, const struct elf_file *file, uintptr_t offset)
{
    struct elf_symbols all;

    if (!elf_symbols_get(file, &all))
        return;
    for (size_t i = 0; i < all.count; i++) {
        if (is_function(&all, &all.symbols[i]) &&
            offset - all.symbols[i].st_value < all.symbols[i].st_size) {
            line_name(line, all.names + all.symbols[i].st_name, offset - all.symbols[i].st_value);
            return;
        }
    }
}

void line_symbol(struct line *line, uintptr_t address)
{
    const struct link_map *object = object_of(address);
    struct elf_file file;

    if (object == NULL || line_known_symbol(line, address) || !elf_file_map(object, &file))
        return;
    line_symbol_of(line, &file, address - object->l_addr);
    elf_file_unmap(&file);
}

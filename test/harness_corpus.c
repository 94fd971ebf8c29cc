/* Runs a fuzz target once over each file of its corpus, as a plain test. */
#include "harness.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run_file(const char *name)
{
    char path[4096];
    char *bytes = NULL;
    size_t size = 0;
    FILE *in, *copy;
    int c;

    snprintf(path, sizeof path, "%s/%s", CORPUS_DIR, name);
    fprintf(stderr, "corpus file %s\n", name); /* shown when the test fails */
    in = fopen(path, "r");
    CHECK(in != NULL, "%s", path);
    copy = open_memstream(&bytes, &size);
    CHECK(copy != NULL);
    while ((c = fgetc(in)) != EOF)
        fputc(c, copy);
    fclose(in);
    fclose(copy);
    /* A block of exactly this size, so that reading beyond it is seen. */
    bytes = realloc(bytes, size == 0 ? 1 : size);
    CHECK(bytes != NULL);
    LLVMFuzzerTestOneInput((const uint8_t *)bytes, size);
    free(bytes);
}

TEST(corpus_runs_without_a_fault)
{
    DIR *dir = opendir(CORPUS_DIR);
    const struct dirent *entry;
    size_t files = 0;

    CHECK(dir != NULL, "%s", CORPUS_DIR);
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        run_file(entry->d_name);
        files++;
    }
    closedir(dir);
    CHECK(files > 0, "%s is empty", CORPUS_DIR);
}

/* Programs whose tests fail: runs one and reads what it says. */
#ifndef TEST_KIT_FIXTURE_H
#define TEST_KIT_FIXTURE_H

struct outcome {
    int status;
    char text[16384];
};

/* Runs the fixture; arguments that are not there are NULL. */
struct outcome run_fixture(const char *filter, const char *option, const char *value);

/* Runs that one test of it, which must fail and say these words. */
void fails_with(const char *test, const char *words);

#endif

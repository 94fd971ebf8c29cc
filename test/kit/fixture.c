#include "kit/fixture.h"

#include "harness.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

struct outcome run_fixture(const char *filter, const char *option, const char *value)
{
    struct outcome out = {0};
    size_t len = 0;
    int ends[2];
    ssize_t n;
    pid_t child;

    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        execl(KIT_FIXTURE, "kit_fixture", filter, option, value, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    while ((n = read(ends[0], out.text + len, sizeof out.text - 1 - len)) > 0)
        len += (size_t)n;
    close(ends[0]);
    CHECK_EQ(waitpid(child, &out.status, 0), child);
    return out;
}

void fails_with(const char *test, const char *words)
{
    struct outcome out = run_fixture(test, NULL, NULL);

    CHECK(WIFEXITED(out.status) && WEXITSTATUS(out.status) == 1, "%s: %s", test, out.text);
    CHECK(strstr(out.text, "not ok 1 - ") != NULL, "%s: %s", test, out.text);
    CHECK(strstr(out.text, words) != NULL, "%s does not say '%s': %s", test, words, out.text);
}

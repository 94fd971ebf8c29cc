/* Where the secret of an endpoint comes from. */
#include "harness.h"

#include <anqa/anqa.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "http/secret.h"
#include "http/secret_file.h"

#define STRONG "Zb3cS0wQ9/7kPqLxR2vNfYhT6uGjMa1dEiO+5nVr8CtXyWzKBlAsHpUeDgFm4oJI"

static char folder[64];

static int drop(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    return remove(path);
}

static void drop_folder(void)
{
    nftw(folder, drop, 8, FTW_DEPTH | FTW_PHYS);
}

static void begin(void)
{
    snprintf(folder, sizeof folder, "/tmp/anqa-secret-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    harness_at_end(drop_folder);
    CHECK_EQ(chdir(folder), 0);
    anqa_log_set_level(ANQA_LOG_NONE);
    unsetenv("ANQA_ENV");
    unsetenv("SECRET_KEY_BASE");
}

/* ---------------------------------------------------------------- of who develops */

TEST(a_folder_has_one_secret_that_only_its_user_can_read)
{
    char first[SECRET_FILE_TEXT], again[SECRET_FILE_TEXT];
    struct stat st;

    begin();
    CHECK_STATUS(secret_file_read(".", first, NULL), ANQA_OK);
    CHECK_STATUS(secret_file_read(".", again, NULL), ANQA_OK);
    CHECK_EQ(memcmp(first, again, sizeof first), 0);
    CHECK_EQ(stat(".anqa/secret_key_base", &st), 0);
    CHECK_EQ(st.st_mode & 0777, 0600);
    CHECK_EQ(stat(".anqa", &st), 0);
    CHECK_EQ(st.st_mode & 0777, 0700);
    CHECK_EQ(st.st_nlink, 2);
    CHECK_EQ(system("[ \"$(cat .anqa/.gitignore)\" = '*' ] && [ $(ls .anqa | wc -l) = 1 ]"), 0);
    CHECK_EQ(rename(".anqa", "old"), 0);
    CHECK_STATUS(secret_file_read(".", again, NULL), ANQA_OK);
    CHECK(memcmp(first, again, sizeof first) != 0);
}

TEST(a_secret_that_others_could_know_is_not_used)
{
    static const struct {
        const char *command, *says;
    } cases[] = {
        {"chmod 640 .anqa/secret_key_base", "others may read it"},
        {"chmod 604 .anqa/secret_key_base", "others may read it"},
        {"cd .anqa && mv secret_key_base x && ln -s x secret_key_base", "cannot open"},
        {"cd .anqa && rm secret_key_base && umask 077 && echo short >secret_key_base", "too short"},
        {"cd .anqa && rm secret_key_base && mkdir -m 700 secret_key_base", "it is no file"},
        {"cd .anqa && rm secret_key_base && mkfifo -m 600 secret_key_base", "it is no file"},
        {"mv .anqa x && ln -s x .anqa", "cannot open the folder"},
        {"rm -r .anqa && touch .anqa", "cannot open the folder"},
    };
    char secret[SECRET_FILE_TEXT];
    anqa_error err;

    begin();
    for (size_t i = 0; i < ANQA_COUNT(cases); i++) {
        CHECK_EQ(system("rm -rf .anqa x"), 0);
        CHECK_STATUS(secret_file_read(".", secret, NULL), ANQA_OK, "%s", cases[i].command);
        CHECK_EQ(system(cases[i].command), 0, "%s", cases[i].command);
        CHECK(secret_file_read(".", secret, &err) != ANQA_OK, "%s", cases[i].command);
        CHECK(strstr(err.text, cases[i].says) != NULL, "%s: %s", cases[i].command, err.text);
    }
}

TEST(of_programs_that_start_together_all_have_the_same_secret)
{
    char secret[SECRET_FILE_TEXT], other[SECRET_FILE_TEXT];
    int ends[2], status;

    begin();
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    for (int i = 0; i < 8; i++)
        if (fork() == 0) {
            anqa_status made = secret_file_read(".", secret, NULL);
            _exit(made != ANQA_OK || write(ends[1], secret, sizeof secret) != sizeof secret);
        }
    for (int i = 0; i < 8; i++) {
        CHECK(wait(&status) > 0 && status == 0);
        CHECK_EQ(read(ends[0], i == 0 ? secret : other, sizeof secret), sizeof secret);
        CHECK(i == 0 || memcmp(secret, other, sizeof secret) == 0);
    }
    close(ends[0]);
    close(ends[1]);
}

/* ---------------------------------------------------------------- which one counts */

TEST(in_dev_the_secret_is_that_of_the_folder_and_else_of_this_run)
{
    char in_file[SECRET_FILE_TEXT];
    anqa_str secret;

    begin();
    setenv("ANQA_ENV", "dev", 1);
    CHECK_STATUS(secret_find(NULL, true, &secret, NULL), ANQA_OK);
    CHECK_STATUS(secret_file_read(".", in_file, NULL), ANQA_OK);
    CHECK(anqa_str_eq(secret, anqa_str_make(in_file, sizeof in_file)));
    setenv("SECRET_KEY_BASE", STRONG, 1);
    CHECK_STATUS(secret_find(NULL, true, &secret, NULL), ANQA_OK);
    CHECK(anqa_str_is(secret, STRONG));
}

TEST(without_dev_nothing_is_written)
{
    anqa_str secret;

    begin();
    CHECK_STATUS(secret_find(NULL, true, &secret, NULL), ANQA_OK);
    CHECK_EQ(secret.len, SECRET_FILE_TEXT);
    CHECK_EQ(access(".anqa", F_OK), -1);
}

TEST(in_dev_a_folder_that_cannot_be_written_to_stops_nobody)
{
    anqa_str secret;

    begin();
    setenv("ANQA_ENV", "dev", 1);
    CHECK_EQ(system("touch .anqa"), 0);
    CHECK_STATUS(secret_find(NULL, true, &secret, NULL), ANQA_OK);
    CHECK_EQ(secret.len, SECRET_FILE_TEXT);
}

static const struct {
    const char *secret;
    bool good;
} strengths[] = {
    {STRONG, true},
    {"5f1c0e9b7a3d2468f0c4b1e7d9a85362c7e1f3b05d9a2846ec70b1d3f5a98264", true},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
    {"changemechangemechangemechangemechangemechangemechangemechangeme", false},
    {"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl", false},
    {"0123456789012345678901234567890123456789012345678901234567890123", false},
    {"secret-key-of-this-site-no-spy!!secret-key-of-this-site-no-spy!!", false},
    {"abcaabbccabcabacbacbacbbacbacbaccabcabacbacbacbbacbacbaccabcabcb", false},
    {"Zb3cS0wQ9/7kPqLxR2vNfYhT6uGjMa1dEiO+5nVr8CtXyWzKBlAsHpUeDgFm4oJ", false},
    {"", false},
};

TEST(prod_takes_no_secret_that_is_short_or_repeats_itself)
{
    anqa_str secret;
    anqa_error err;

    begin();
    setenv("ANQA_ENV", "prod", 1);
    for (size_t i = 0; i < ANQA_COUNT(strengths); i++) {
        setenv("SECRET_KEY_BASE", strengths[i].secret, 1);
        CHECK_EQ(secret_find(NULL, true, &secret, &err) == ANQA_OK, strengths[i].good, "%s",
            strengths[i].secret);
        if (strengths[i].secret[0] == '\0')
            continue;
        CHECK(strengths[i].good || strstr(err.text, strengths[i].secret) == NULL);
        unsetenv("SECRET_KEY_BASE");
        CHECK_EQ(secret_find(strengths[i].secret, true, &secret, &err) == ANQA_OK,
            strengths[i].good, "%s", strengths[i].secret);
    }
    CHECK_EQ(access(".anqa", F_OK), -1);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for libFuzzer where it is not linked: gives each file of the target's corpus, or each
 * file named as an argument, to the target once. An empty corpus fails: it would prove nothing.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <errno.h>

#define INPUT_MAX (1024 * 1024)

static void replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *buffer = malloc(INPUT_MAX);
    if (file == NULL || buffer == NULL) {
        fprintf(stderr, "cannot open %s\n", path);
        exit(1);
    }
    size_t size = fread(buffer, 1, INPUT_MAX, file);
    if (ferror(file) || !feof(file)) {
        fprintf(stderr, "%s cannot be read, or is larger than %d bytes\n", path, INPUT_MAX);
        exit(1);
    }
    fclose(file);
    char *input = fuzz_copy(buffer, size, false);
    free(buffer);
    printf("%s\n", path);
    fflush(stdout); /* a target that aborts is to leave the name behind */
    LLVMFuzzerTestOneInput((const uint8_t *)input, size);
    free(input);
}

static int is_input(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int replay_folder(const char *folder)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_input, alphasort);
    if (count <= 0) {
        fprintf(stderr, "the corpus %s is empty or missing\n", folder);
        free(entries);
        return 1;
    }
    for (int i = 0; i < count; i++) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
        replay(path);
        free(entries[i]);
    }
    free(entries);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        for (int i = 1; i < argc; i++)
            replay(argv[i]);
        return 0;
    }
    /* The test harness sets srcdir; fuzz_csv has its corpus in tests/fuzz/corpus/csv. */
    const char *srcdir = getenv("srcdir");
    const char *name = program_invocation_short_name;
    char folder[2048];
    if (strncmp(name, "fuzz_", 5) == 0)
        name += 5;
    srcdir = srcdir != NULL ? srcdir : ".";
#ifdef FUZZ_SEEDS
    /* Inputs that the target shares with other tests. */
    snprintf(folder, sizeof(folder), "%s/%s", srcdir, FUZZ_SEEDS);
    if (replay_folder(folder) != 0)
        return 1;
#endif
    snprintf(folder, sizeof(folder), "%s/tests/fuzz/corpus/%s", srcdir, name);
    return replay_folder(folder);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "office/folder.h"

#include "base/crypto.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_empty(int fd)
{
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    DIR *dir = own >= 0 ? fdopendir(own) : NULL;
    const struct dirent *entry;
    bool empty = dir != NULL;
    if (dir == NULL) {
        if (own >= 0)
            close(own);
        return false;
    }
    while (empty && (entry = readdir(dir)) != NULL)
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    closedir(dir);
    return empty;
}

enum result folder_make(const char *path, const char *state_dir, struct folder *folder,
                        struct error *err)
{
    struct stat st;
    *folder = (struct folder){.fd = -1};
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return error_errno(err, RESULT_SYSTEM, errno, "cannot make %s", path);
    folder->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder->fd < 0)
        return error_errno(err, RESULT_SYSTEM, errno, "cannot open %s", path);
    if (!is_empty(folder->fd)) {
        folder_close(folder);
        return error_set(err, RESULT_CONFLICT, "%s is not empty: name a new folder", path);
    }
    folder->path = strdup(path);
    if (folder->path == NULL) {
        folder_close(folder);
        return error_no_memory(err);
    }
    if (geteuid() == 0 && stat(state_dir, &st) == 0 && st.st_uid != 0 &&
        fchown(folder->fd, st.st_uid, st.st_gid) != 0) {
        int reason = errno;
        folder_close(folder);
        return error_errno(err, RESULT_SYSTEM, reason, "cannot give %s to the service user", path);
    }
    return RESULT_OK;
}

void folder_close(struct folder *folder)
{
    if (folder->fd >= 0)
        close(folder->fd);
    free(folder->path);
    strbuf_free(&folder->sums);
    *folder = (struct folder){.fd = -1};
}

enum result folder_add_folder(struct folder *folder, const char *name, struct error *err)
{
    if (mkdirat(folder->fd, name, 0700) != 0 && errno != EEXIST)
        return error_errno(err, RESULT_SYSTEM, errno, "cannot make %s/%s", folder->path, name);
    return RESULT_OK;
}

enum result folder_add(struct folder *folder, const char *name, FILE **file_out, struct error *err)
{
    int fd = openat(folder->fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    *file_out = fd >= 0 ? fdopen(fd, "w+") : NULL;
    if (*file_out != NULL)
        return RESULT_OK;
    int reason = errno;
    if (fd >= 0)
        close(fd);
    return error_errno(err, RESULT_SYSTEM, reason, "cannot make %s/%s", folder->path, name);
}

/* Of what was written, read back: the list says what is in the file. */
static bool hash_file(FILE *file, uint8_t out[SHA256_BYTES])
{
    static char block[65536];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t n;
    bool ok = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1;
    rewind(file);
    while (ok && (n = fread(block, 1, sizeof(block), file)) > 0)
        ok = EVP_DigestUpdate(ctx, block, n) == 1;
    ok = ok && !ferror(file) && EVP_DigestFinal_ex(ctx, out, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

enum result folder_finish(struct folder *folder, const char *name, FILE **file, struct error *err)
{
    uint8_t digest[SHA256_BYTES];
    char hex[2 * SHA256_BYTES + 1];
    errno = 0;
    bool written = fflush(*file) == 0 && !ferror(*file) && fsync(fileno(*file)) == 0;
    int reason = errno;
    bool hashed = written && hash_file(*file, digest);
    fclose(*file);
    *file = NULL;
    if (!written)
        return error_errno(err, RESULT_SYSTEM, reason, "cannot write %s/%s", folder->path, name);
    if (!hashed)
        return error_set(err, RESULT_SYSTEM, "cannot read %s/%s back", folder->path, name);
    hex_encode(digest, sizeof(digest), hex);
    strbuf_add_format(&folder->sums, "%s  %s\n", hex, name);
    return folder->sums.failed ? error_no_memory(err) : RESULT_OK;
}

enum result folder_write(struct folder *folder, const char *name, const void *data, size_t length,
                         struct error *err)
{
    FILE *file;
    enum result result = folder_add(folder, name, &file, err);
    if (result != RESULT_OK)
        return result;
    fwrite(data, 1, length, file); /* folder_finish looks at the file's error */
    return folder_finish(folder, name, &file, err);
}

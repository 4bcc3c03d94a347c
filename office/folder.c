/* SPDX-License-Identifier: Apache-2.0 */
#include "office/folder.h"

#include "base/crypto.h"
#include "office/zip.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define BLOCK     65536
#define PACK_MOST ((off_t)UINT32_MAX - 64 * 1024 * 1024) /* the directory comes behind */

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

enum result folder_pack(int fd, const char *name, const char *spool, struct folder *folder,
                        struct error *err)
{
    *folder = (struct folder){.fd = -1, .archive = fd};
    folder->path = strdup(name);
    folder->spool = strdup(spool);
    enum result result = folder->path != NULL && folder->spool != NULL
                             ? zip_new(fd, &folder->zip, err)
                             : error_no_memory(err);
    if (result != RESULT_OK)
        folder_close(folder);
    return result;
}

enum result folder_end(struct folder *folder, struct error *err)
{
    return folder->zip != NULL ? zip_finish(folder->zip, err) : RESULT_OK;
}

void folder_close(struct folder *folder)
{
    zip_free(&folder->zip);
    free(folder->spool);
    if (folder->fd >= 0)
        close(folder->fd);
    free(folder->path);
    strbuf_free(&folder->sums);
    *folder = (struct folder){.fd = -1};
}

enum result folder_add_folder(struct folder *folder, const char *name, struct error *err)
{
    if (folder->zip != NULL)
        return RESULT_OK; /* the names of its files make it */
    if (mkdirat(folder->fd, name, 0700) != 0 && errno != EEXIST)
        return error_errno(err, RESULT_SYSTEM, errno, "cannot make %s/%s", folder->path, name);
    return RESULT_OK;
}

enum result folder_going_on(const struct folder *folder, struct error *err)
{
    if (folder->stop != NULL && atomic_load(folder->stop))
        return error_set(err, RESULT_UNAVAILABLE, "it was given up");
    return RESULT_OK;
}

/* In the spool: there is room, and neither it nor the archive grows too big. */
static enum result has_room(const struct folder *folder, struct error *err)
{
    struct statvfs disk;
    if (fstatvfs(folder->archive, &disk) == 0 &&
        (uint64_t)disk.f_bavail * disk.f_frsize < FOLDER_SPARE)
        return error_set(err, RESULT_UNAVAILABLE, "too little room is left on the disk of %s",
                         folder->spool);
    if (lseek(folder->archive, 0, SEEK_CUR) > PACK_MOST)
        return error_set(err, RESULT_BAD_INPUT, "an archive of more than 4 GB cannot be made");
    return RESULT_OK;
}

/* A file that has no name, from the beginning or as soon as it is there. */
static int open_nameless(const char *spool)
{
    char path[4096];
    int fd = open(spool, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT) ||
        snprintf(path, sizeof(path), "%s/pack.XXXXXX", spool) >= (int)sizeof(path))
        return fd;
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

int folder_nameless(const char *spool, struct error *err)
{
    int fd = open_nameless(spool);
    if (fd < 0)
        error_errno(err, RESULT_SYSTEM, errno, "cannot make a file in %s", spool);
    return fd;
}

enum result folder_add(struct folder *folder, const char *name, FILE **file_out, struct error *err)
{
    enum result result = folder_going_on(folder, err);
    if (result == RESULT_OK && folder->zip != NULL)
        result = has_room(folder, err);
    if (result != RESULT_OK)
        return result;
    int fd = folder->zip != NULL ? open_nameless(folder->spool)
                                 : openat(folder->fd, name,
                                          O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    *file_out = fd >= 0 ? fdopen(fd, "w+") : NULL;
    if (*file_out != NULL)
        return RESULT_OK;
    int reason = errno;
    if (fd >= 0)
        close(fd);
    return error_errno(err, RESULT_SYSTEM, reason, "cannot make %s/%s", folder->path, name);
}

static enum result begin_entry(struct folder *folder, const char *name, struct error *err)
{
    struct strbuf path = {0};
    strbuf_add_format(&path, "%s/%s", folder->path, name);
    enum result result =
        path.failed ? error_no_memory(err) : zip_entry(folder->zip, path.data, err);
    strbuf_free(&path);
    return result;
}

/* Of what was written, read back: the list says what is in the file. On the way it is packed. */
static enum result hash_file(struct folder *folder, FILE *file, uint8_t out[SHA256_BYTES],
                             struct error *err)
{
    char block[BLOCK];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t n;
    enum result result = RESULT_OK;
    bool ok = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1;
    rewind(file);
    while (ok && result == RESULT_OK && (n = fread(block, 1, sizeof(block), file)) > 0) {
        ok = EVP_DigestUpdate(ctx, block, n) == 1;
        if (folder->zip != NULL)
            result = zip_write(folder->zip, block, n, err);
        if (result == RESULT_OK)
            result = folder_going_on(folder, err);
    }
    ok = ok && !ferror(file) && EVP_DigestFinal_ex(ctx, out, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    return ok || result != RESULT_OK ? result
                                     : error_set(err, RESULT_SYSTEM, "cannot be read back");
}

enum result folder_finish(struct folder *folder, const char *name, FILE **file, struct error *err)
{
    uint8_t digest[SHA256_BYTES];
    char hex[2 * SHA256_BYTES + 1];
    errno = 0;
    /* What is packed is on disk for as long as it takes, and no longer. */
    bool written =
        fflush(*file) == 0 && !ferror(*file) && (folder->zip != NULL || fsync(fileno(*file)) == 0);
    int reason = errno;
    enum result result = RESULT_OK;
    if (!written)
        result = error_errno(err, RESULT_SYSTEM, reason, "cannot write");
    if (result == RESULT_OK && folder->zip != NULL)
        result = begin_entry(folder, name, err);
    if (result == RESULT_OK)
        result = hash_file(folder, *file, digest, err);
    fclose(*file);
    *file = NULL;
    if (result != RESULT_OK) {
        error_prefix(err, "%s/%s", folder->path, name);
        return result;
    }
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A template of a provider by HTTP, an answer to it and a call of the provider, in this order, with
 * a line "----" between them. Either the template is refused, and each finding is one line with its
 * place, or: requests are well-formed whatever the message holds, what an answer comes to can be
 * journalled, and a call that is not verified reaches nobody.
 */
#include "adapters/http/http.h"
#include "base/log.h"
#include "tests/fuzz/folder.h"

#define SETTINGS_MAX 12
#define TOKEN        "0123456789abcdef"

/* libconfig 1.5 leaks the text before some syntax errors; see config/tree_read.c. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig";
}

/* Nothing here is of a configuration that was loaded. */
struct config *config_ref(struct config *config)
{
    return config;
}
void config_unref(struct config **config)
{
    *config = NULL;
}

/* ---- the parts of an input ---- */

struct part {
    char *text; /* owned, ended by NUL */
    size_t length;
};

static struct part next_part(const uint8_t **at, const uint8_t *end)
{
    static const char mark[] = "\n----\n";
    const uint8_t *found = memmem(*at, (size_t)(end - *at), mark, sizeof(mark) - 1);
    struct part part = {.length = (size_t)((found != NULL ? found : end) - *at)};
    part.text = fuzz_copy(*at, part.length, true);
    *at = found != NULL ? found + sizeof(mark) - 1 : end;
    return part;
}

/* The settings that the template asks for, so that not each is refused for one. */
static size_t find_settings(const char *text, struct setting *settings,
                            char names[SETTINGS_MAX][40])
{
    size_t count = 0;
    settings[count++] = (struct setting){.name = "hook_token", .value = TOKEN};
    while (count < SETTINGS_MAX && (text = strstr(text, "{setting.")) != NULL) {
        text += strlen("{setting.");
        size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz_");
        bool known = length == 0 || length >= sizeof(names[0]);
        for (size_t i = 0; i < count && !known; i++)
            known =
                strlen(settings[i].name) == length && strncmp(settings[i].name, text, length) == 0;
        if (known)
            continue;
        memcpy(names[count], text, length);
        names[count][length] = '\0';
        settings[count] = (struct setting){.name = names[count], .value = "hmac-sha256"};
        count++;
    }
    return count;
}

/* ---- requests ---- */

static void check_request(const struct http_template *template, const struct http_request *request,
                          const struct http_facts *facts)
{
    struct http_facts *own = malloc(sizeof(*own));
    struct http_built built;
    struct error err = {.text = ""};
    must(own != NULL);
    *own = *facts;
    if (http_build(template, request, own, &built, &err) != RESULT_OK) {
        must(fuzz_one_line(err.text));
    } else {
        must(built.url.data != NULL);
        for (const struct curl_slist *line = built.headers; line != NULL; line = line->next)
            must(fuzz_one_line(line->data) && strchr(line->data, ':') != NULL);
        if (request->body == HTTP_BODY_JSON) {
            json_t *value = json_loadb(built.body.data, built.body.length, 0, NULL);
            must(value != NULL);
            json_decref(value);
        }
        if (request->body == HTTP_BODY_FORM)
            must(strpbrk(built.body.data, " \r\n\"'<>") == NULL);
    }
    http_built_free(&built);
    free(own);
}

static const char *const texts[] = {"Hello", "a \"b\" \\ {to} & = % \n\r\t \x01 <é> 😀\xff", ""};

static void check_requests(const struct http_template *template,
                           const struct provider_config *config, struct http_facts *facts)
{
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        http_facts_begin(template, config, INT64_C(1700000000000000), facts);
        for (int name = HTTP_TO; name <= HTTP_VALIDITY_MINUTES; name++)
            facts->values.of[name] = texts[i];
        check_request(template, &template->request, facts);
    }
    if (template->has_test)
        check_request(template, &template->test, facts);
}

/* ---- answers ---- */

static void check_answer(const struct http_template *template, const struct provider_config *config,
                         const struct http_facts *facts, const struct part *answer)
{
    static const int statuses[] = {200, 201, 202, 302, 400, 401, 404, 429, 500, 503};
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        struct http_verdict verdict;
        http_judge(template, config, facts, statuses[i], true, answer->text, answer->length,
                   &verdict);
        must(strlen(verdict.answer.text) < HTTP_SAID_MAX && fuzz_one_line(verdict.answer.text));
        must(verdict.answer.parts <= SMS_PARTS_MAX && strlen(verdict.answer.id) < SMPP_ID_MAX);
        for (const char *at = verdict.answer.id; *at != '\0'; at++)
            must(*at > 0x20 && *at < 0x7f);
        must(verdict.answer.outcome == OUTCOME_ACCEPTED || verdict.answer.id[0] == '\0');
        must(strstr(verdict.answer.text, config->password) == NULL);
    }
}

/* ---- calls ---- */

struct world {
    unsigned told;
    unsigned answers;
    int status;
    bool verified;
};

static void on_inbound(void *gate, struct provider *provider, struct loop *loop,
                       const struct sms_inbound *inbound, sms_taken_fn *taken, void *owner,
                       struct ticket ticket)
{
    struct world *world = gate;
    (void)provider;
    (void)loop;
    must(inbound->from != NULL && inbound->to != NULL && inbound->text != NULL &&
         inbound->id != NULL);
    must(inbound->kind == SMS_INBOUND_REPORT || inbound->from[0] != '\0');
    must(utf8_valid(inbound->text, strlen(inbound->text)));
    must((inbound->kind == SMS_INBOUND_REPORT) == (inbound->receipt != NULL));
    if (inbound->receipt != NULL)
        must(inbound->receipt->id[0] != '\0' &&
             receipt_state_name(inbound->receipt->state) != NULL);
    world->told++;
    taken(owner, ticket, world->told % 3 == 0 ? SMS_TAKE_LATER : SMS_TAKEN);
}

static const char *header(const void *request, const char *name)
{
    (void)name;
    return request; /* whichever is asked for */
}

static void on_hooked(void *owner, struct ticket ticket, int status, const char *content_type,
                      const char *body)
{
    struct world *world = owner;
    (void)ticket;
    must(content_type != NULL && body != NULL);
    world->answers++;
    world->status = status;
}

/* The first line of call is a header's value, the second the query; then the body. */
static void check_call(struct http_own *own, const struct provider_config *config,
                       const struct part *call)
{
    struct provider *provider = calloc(1, sizeof(*provider) + sizeof(struct provider_port *));
    struct http_port *port = calloc(1, sizeof(*port));
    must(provider != NULL && port != NULL);
    char *query = strchr(call->text, '\n');
    char *body = query != NULL ? strchr(query + 1, '\n') : NULL;
    if (body != NULL) {
        *query++ = *body++ = '\0';
        provider->config = config;
        provider->own = own;
        port->base.provider = provider;
        atomic_init(&provider->refs, 1000);
        for (int way = 0; way < 8; way++) {
            struct world world = {.verified = (way & 4) != 0};
            const struct sms_sink sink = {.on_inbound = on_inbound, .gate = &world};
            const struct sms_hook hook = {.name = (way & 1) != 0 ? "report" : "inbound",
                                          .method = "POST",
                                          .url = "https://gate.example.org/hooks/p/inbound",
                                          .query = query,
                                          .body = body,
                                          .length = strlen(body),
                                          .content_type = (way & 2) != 0
                                                              ? "application/json"
                                                              : "application/x-www-form-urlencoded",
                                          .header = header,
                                          .request = call->text};
            enum http_verification kind = own->template.verify.kind;
            const char *token = own->template.hook_token;
            if (world.verified) { /* what is within shall be read, too */
                own->template.verify.kind = HTTP_VERIFY_HEADER;
                free(own->template.verify.key);
                own->template.verify.key = strdup(call->text);
                own->template.verify.header = "X";
                own->template.verify.prefix = "";
                own->template.hook_token = NULL;
                must(own->template.verify.key != NULL);
            }
            provider->sink = &sink;
            http_hook(&port->base, &hook, on_hooked, &world, (struct ticket){0});
            must(world.answers == 1);
            must(world.told == 0 || world.status != 401);
            own->template.verify.kind = kind;
            own->template.hook_token = token;
        }
        must(atomic_load(&provider->refs) == 1000);
    }
    free(port);
    free(provider);
}

static void on_problem(void *arg, const char *file, int line, const char *message)
{
    unsigned *count = arg;
    must(file != NULL && line >= 0 && fuzz_one_line(message));
    (*count)++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *at = data, *end = data + size;
    struct part template = next_part(&at, end);
    struct part answer = next_part(&at, end);
    struct part call = next_part(&at, end);
    log_set_level(LOG_LEVEL_ERROR);
    struct setting settings[SETTINGS_MAX];
    char names[SETTINGS_MAX][40];
    char path[600];
    snprintf(path, sizeof(path), "%s/t.conf", fuzz_folder());
    fuzz_write(path, template.text, template.length);
    const struct provider_config config = {
        .name = "p",
        .template_file = path,
        .url = "https://sms.example.org",
        .username = "user",
        .password = "secret-password",
        .settings = settings,
        .n_settings = find_settings(template.text, settings, names),
    };
    struct http_own *own = calloc(1, sizeof(*own));
    struct http_facts *facts = malloc(sizeof(*facts));
    struct problems problems = {0};
    struct error err = {.text = ""};
    unsigned count = 0;
    must(own != NULL && facts != NULL);
    enum result result =
        http_template_read(&config, "https://gate.example.org", &own->template, &problems, &err);
    problems_report(&problems, on_problem, &count);
    must((result == RESULT_OK) == (count == 0));
    if (result == RESULT_OK) {
        check_requests(&own->template, &config, facts);
        check_answer(&own->template, &config, facts, &answer);
        check_call(own, &config, &call);
    } else {
        must(fuzz_one_line(err.text));
    }
    problems_free(&problems);
    http_template_free(&own->template);
    free(own);
    free(facts);
    free(template.text);
    free(answer.text);
    free(call.text);
    return 0;
}

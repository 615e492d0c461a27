/* The load generator of bench/rig/load.py in C: the same loops, the same checks and the same lines on standard output.
 * load PORT CONNECTIONS SECONDS WARM_S RATE STREAM_EVERY EXPECT TOTAL PATH HEADER_LINES BODY STREAM_BODY */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { HEAD, LENGTH, SIZE, DATA, DATA_END, TRAILER, UNTIL_CLOSE };
enum { HEAD_BYTES = 16384, RECEIVE = 1 << 18, BACKLOG = 1 << 20, KEPT = 24 };
#define TICK_NS 100000
#define GRACE_NS 10000000000ull

struct connection {
    int fd, busy, state, status, closes, stream, done, events, matched, kept_length, trailer_line, extended;
    long left;
    uint64_t asked_ns, first_ns;
    size_t head_length;
    char head[HEAD_BYTES], kept[KEPT]; /* `kept`: the last bytes of the body, where [DONE] must stand */
};

struct samples {
    double *us;
    size_t count, room;
};

static struct connection *all;
static int port, connection_count, stream_every, expect, epoll_fd, counting, timing;
static double rate;
static long total, asked, finished, done, events, errors, broken, torn;
static uint64_t backlog[BACKLOG];
static size_t backlog_head, backlog_tail;
static char *request[2], first_error[400];
static int request_length[2];
static struct samples latencies, firsts;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void sample(struct samples *into, uint64_t ns) {
    if (into->count == into->room) into->us = realloc(into->us, (into->room = into->room ? 2 * into->room : 65536) * sizeof(double));
    into->us[into->count++] = (double)ns / 1000;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double at(const struct samples *of, double share) { return of->count ? of->us[(size_t)(share * (double)(of->count - 1))] : 0; }

static void hang_up(struct connection *c) {
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
}

static int dial(struct connection *c) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c->fd, (void *)&address, sizeof address)) {
        hang_up(c);
        return -1;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = c};
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &wanted);
}

static void ask(struct connection *c, uint64_t when) {
    asked++;
    c->stream = stream_every > 0 && asked % stream_every == 0;
    c->busy = 1, c->state = HEAD, c->status = c->closes = c->done = c->events = c->matched = c->kept_length = 0;
    c->left = 0, c->head_length = 0, c->asked_ns = when, c->first_ns = 0;
    int length = request_length[c->stream];
    for (int attempt = 0; attempt < 2; attempt++) { /* a server may close a connection that is idle; a fresh one must take the request */
        if (c->fd < 0 && dial(c)) break;
        if (send(c->fd, request[c->stream], (size_t)length, MSG_NOSIGNAL) == length) return;
        hang_up(c);
    }
    broken++;
    c->busy = 0;
}

/* Lines that begin with `data:`, wherever reads and chunks cut them. */
static void count(struct connection *c, const char *data, long length) {
    static const char marker[] = "data:";
    if (!c->stream) return;
    for (long i = 0; i < length; i++) {
        if (data[i] == marker[c->matched]) {
            if (++c->matched == 5) c->matched = 0, c->events++, events += counting;
        } else
            c->matched = data[i] == 'd';
    }
    if (length >= KEPT) {
        memcpy(c->kept, data + length - KEPT, KEPT);
        c->kept_length = KEPT;
    } else {
        int over = c->kept_length + (int)length - KEPT;
        if (over > 0) memmove(c->kept, c->kept + over, (size_t)(c->kept_length -= over));
        memcpy(c->kept + c->kept_length, data, (size_t)length);
        c->kept_length += (int)length;
    }
}

static void release(struct connection *c) {
    c->busy = 0;
    if (rate > 0 && backlog_head < backlog_tail) ask(c, backlog[backlog_head++ % BACKLOG]);
}

static void finish(struct connection *c, uint64_t now) {
    finished++;
    if (c->status != 200)
        errors++;
    else if (c->stream && ((expect && c->events != expect) || !c->events || !memmem(c->kept, (size_t)c->kept_length, "[DONE]", 6)))
        torn++;
    done += counting;
    if (timing) {
        sample(&latencies, now - c->asked_ns);
        sample(&firsts, (c->first_ns ? c->first_ns : now) - c->asked_ns);
    }
    if (c->closes) hang_up(c);
    release(c);
}

static void chunks(struct connection *c, const char *data, long length) {
    while (length > 0 && !c->done) {
        char byte = *data;
        switch (c->state) {
        case SIZE:
            if (byte == '\n')
                c->state = c->left > 0 ? DATA : TRAILER, c->trailer_line = c->extended = 0;
            else if (byte == ';')
                c->extended = 1;
            else if (c->extended) {
            } else if (byte >= '0' && byte <= '9')
                c->left = c->left * 16 + byte - '0';
            else if ((byte | 32) >= 'a' && (byte | 32) <= 'f')
                c->left = c->left * 16 + (byte | 32) - 'a' + 10;
            data++, length--;
            break;
        case DATA: {
            long take = length < c->left ? length : c->left;
            count(c, data, take);
            data += take, length -= take;
            if (!(c->left -= take)) c->state = DATA_END;
            break;
        }
        case DATA_END:
            if (byte == '\n') c->state = SIZE, c->left = 0;
            data++, length--;
            break;
        default: /* TRAILER: an empty line ends the body */
            if (byte == '\n') {
                if (!c->trailer_line) c->done = 1;
                c->trailer_line = 0;
            } else if (byte != '\r')
                c->trailer_line = 1;
            data++, length--;
        }
    }
}

/* Bytes of the body that came with the head; -1 while the head is incomplete. */
static long head(struct connection *c, const char *data, long length) {
    long take = length < (long)(HEAD_BYTES - 1 - c->head_length) ? length : (long)(HEAD_BYTES - 1 - c->head_length);
    size_t before = c->head_length;
    memcpy(c->head + before, data, (size_t)take);
    c->head_length += (size_t)take;
    c->head[c->head_length] = 0;
    char *end = strstr(c->head, "\r\n\r\n");
    if (!end) return -1;
    long used = end - c->head + 4 - (long)before;
    *end = 0;
    c->status = atoi(c->head + 9);
    c->closes = strcasestr(c->head, "\r\nconnection: close") != NULL;
    char *declared = strcasestr(c->head, "\r\ncontent-length:");
    c->state = declared ? LENGTH : strcasestr(c->head, "\r\ntransfer-encoding: chunked") ? SIZE : UNTIL_CLOSE;
    c->left = declared ? atol(declared + 17) : 0;
    if (c->status != 200 && !*first_error) {
        snprintf(first_error, sizeof first_error, "%d %.*s", c->status, (int)(length - used < 300 ? length - used : 300), data + used);
        for (char *p = first_error; *p; p++)
            if (*p == '"' || *p == '\\' || (unsigned char)*p < 32) *p = ' ';
    }
    return length - used;
}

static void readable(struct connection *c, char *buffer) {
    ssize_t got = recv(c->fd, buffer, RECEIVE, MSG_DONTWAIT);
    uint64_t now = now_ns();
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        hang_up(c);
        if (c->busy && c->state == UNTIL_CLOSE)
            finish(c, now);
        else if (c->busy) {
            broken++;
            release(c);
        }
        return;
    }
    if (!c->busy) return;
    const char *data = buffer;
    long length = got;
    if (c->state == HEAD) {
        long body = head(c, data, length);
        if (body < 0) return;
        data += length - body;
        length = body;
    }
    if (length && !c->first_ns) c->first_ns = now;
    if (c->state == LENGTH) {
        count(c, data, length);
        c->done = (c->left -= length) <= 0;
    } else if (c->state == UNTIL_CLOSE)
        count(c, data, length);
    else
        chunks(c, data, length);
    if (c->done) finish(c, now);
}

static int busy_ones(void) {
    int busy = 0;
    for (int i = 0; i < connection_count; i++) busy += all[i].busy;
    return busy;
}

static void ask_when_due(uint64_t due) {
    for (int i = 0; i < connection_count; i++)
        if (!all[i].busy) {
            ask(&all[i], due);
            return;
        }
    if (backlog_tail - backlog_head < BACKLOG) backlog[backlog_tail++ % BACKLOG] = due;
}

static char *compose(const char *path, const char *lines, const char *body, int *length) {
    char *text;
    *length = asprintf(&text,
                       "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\nAccept: */*\r\n"
                       "User-Agent: ninefold-bench\r\n%sContent-Length: %zu\r\n\r\n%s",
                       path, port, lines, strlen(body), body);
    return text;
}

static void tell(double counted_s, long counted, long counted_events, int stuck, size_t unsent) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    qsort(latencies.us, latencies.count, sizeof(double), ascending);
    qsort(firsts.us, firsts.count, sizeof(double), ascending);
    printf("{\"counted_s\": %.4f, \"done\": %ld, \"events\": %ld, \"rps\": %.1f, \"events_s\": %.1f, \"errors\": %ld, \"first_error\": \"%s\", "
           "\"broken\": %ld, \"torn\": %ld, \"stuck\": %d, \"unsent\": %zu, \"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f, "
           "\"p999_us\": %.1f, \"first_p50_us\": %.1f, \"first_p99_us\": %.1f, \"load_cpu_s\": %.2f}\n",
           counted_s, counted, counted_events, (double)counted / counted_s, (double)counted_events / counted_s, errors, first_error, broken,
           torn, stuck, unsent, at(&latencies, .5), at(&latencies, .9), at(&latencies, .99), at(&latencies, .999), at(&firsts, .5),
           at(&firsts, .99),
           (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
}

int main(int argc, char **argv) {
    if (argc != 13) return 2;
    static char buffer[RECEIVE];
    setvbuf(stdout, NULL, _IOLBF, 0);
    port = atoi(argv[1]), connection_count = atoi(argv[2]), rate = atof(argv[5]);
    stream_every = atoi(argv[6]), expect = atoi(argv[7]), total = atol(argv[8]);
    request[0] = compose(argv[9], argv[10], argv[11], &request_length[0]);
    request[1] = compose(argv[9], argv[10], argv[12], &request_length[1]);
    epoll_fd = epoll_create1(0);
    all = calloc((size_t)connection_count, sizeof *all);
    for (int i = 0; i < connection_count; i++) all[i].fd = -1;
    uint64_t began = now_ns(), starts = began + (uint64_t)(atof(argv[4]) * 1e9), now = began, told = began;
    uint64_t ends = total ? UINT64_MAX : starts + (uint64_t)(atof(argv[3]) * 1e9);
    double due = (double)began, step = rate > 0 ? 1e9 / rate : 0;
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event ready[256], wanted = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer, &wanted);
    if (rate > 0) { /* one timer for the whole run: setting it for each request costs more than the request */
        long tick = step > TICK_NS ? (long)step : TICK_NS;
        struct itimerspec every = {{tick / 1000000000, tick % 1000000000}, {0, 1}};
        timerfd_settime(timer, 0, &every, NULL);
    }
    if (!(rate > 0))
        for (int i = 0; i < connection_count; i++) ask(&all[i], now_ns());
    while ((now = now_ns()) < ends && !(total && finished >= total)) {
        if (!counting && now >= starts) counting = timing = 1, starts = now, puts("start");
        if (total && now - told > 500000000u) told = now, printf("{\"done\": %ld}\n", finished);
        for (; rate > 0 && due <= (double)now; due += step) ask_when_due((uint64_t)due);
        int count_ready = epoll_wait(epoll_fd, ready, 256, 100);
        for (int i = 0; i < count_ready; i++) {
            struct connection *c = ready[i].data.ptr;
            uint64_t rings;
            if (!c) {
                if (read(timer, &rings, sizeof rings) < 0) continue;
            } else if (c->fd >= 0) {
                readable(c, buffer);
                if (!c->busy && !(rate > 0)) ask(c, now_ns());
            }
        }
    }
    double counted_s = (double)(now - starts) / 1e9;
    long counted = done, counted_events = events;
    size_t unsent = backlog_tail - backlog_head;
    counting = 0;
    timing = rate > 0; /* in an open loop the slowest answers of the window are those that come after it */
    puts("end");
    backlog_head = backlog_tail;
    uint64_t until = now_ns() + GRACE_NS;
    while (busy_ones() && now_ns() < until) {
        int count_ready = epoll_wait(epoll_fd, ready, 256, 100);
        for (int i = 0; i < count_ready; i++)
            if (ready[i].data.ptr && ((struct connection *)ready[i].data.ptr)->fd >= 0) readable(ready[i].data.ptr, buffer);
    }
    tell(counted_s, counted, counted_events, busy_ones(), unsent);
    return 0;
}

/* The mock upstream of bench/rig/mock_upstream.py in C: the same answers and the same verbs, several times quicker.
 * mock PORT */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { CHUNKS = 50, STEPS = CHUNKS + 2, MAX_FD = 16384, RECEIVE = 1 << 17 };

struct connection {
    int fd, step; /* step -1: no stream under way */
    size_t filled;
    uint64_t due_us;
    char *data;
};

static struct connection *connections[MAX_FD];
static struct connection *streams[MAX_FD];
static int stream_count, epoll_fd;
static uint64_t pace_us;
static char reply[8192], ok[256], steps[STEPS][2048];
static int reply_length, ok_length, step_length[STEPS];

static uint64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static int whole(char *out, const char *body) {
    return sprintf(out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-request-id: mock\r\nContent-Length: %zu\r\n\r\n%s",
                   strlen(body), body);
}

static int chunk(char *out, const char *data) { return sprintf(out, "%zx\r\n%s\r\n", strlen(data), data); }

static void prepare(void) {
    static const char line[] = "The harbour lights come on one by one, and the last ferry leaves without a sound. ";
    static const char head[] = "{\"id\":\"chatcmpl-mock0001\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"
                               "\"model\":\"mock-1\",\"system_fingerprint\":\"fp_mock\",";
    char text[1024] = "", body[4096];
    for (int i = 0; i < 9; i++) strcat(text, line);
    sprintf(body,
            "{\"id\":\"chatcmpl-mock0001\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"mock-1\",\"choices\":[{\"index\":0,"
            "\"message\":{\"role\":\"assistant\",\"content\":\"%s\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"}],"
            "\"usage\":{\"prompt_tokens\":57,\"completion_tokens\":141,\"total_tokens\":198,\"prompt_tokens_details\":{\"cached_tokens\":0},"
            "\"completion_tokens_details\":{\"reasoning_tokens\":0}},\"system_fingerprint\":\"fp_mock\"}",
            text);
    reply_length = whole(reply, body);
    ok_length = whole(ok, "{\"ok\":true}");
    for (int i = 0; i < STEPS; i++) {
        if (i < CHUNKS - 1)
            sprintf(body, "data: %s\"choices\":[{\"index\":0,\"delta\":{\"content\":\" token\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n", head);
        else if (i == CHUNKS - 1)
            sprintf(body, "data: %s\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":null}\n\n", head);
        else if (i == CHUNKS)
            sprintf(body, "data: %s\"choices\":[],\"usage\":{\"prompt_tokens\":57,\"completion_tokens\":50,\"total_tokens\":107,"
                          "\"prompt_tokens_details\":{\"cached_tokens\":0}}}\n\n", head);
        else
            strcpy(body, "data: [DONE]\n\n");
        char *out = steps[i];
        if (i == 0)
            out += sprintf(out, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n");
        out += chunk(out, body);
        if (i == STEPS - 1) out += sprintf(out, "0\r\n\r\n");
        step_length[i] = (int)(out - steps[i]);
    }
}

static void leave(struct connection *c) {
    for (int i = 0; i < stream_count; i++)
        if (streams[i] == c) streams[i] = streams[--stream_count];
    connections[c->fd] = NULL;
    close(c->fd);
    free(c->data);
    free(c);
}

/* A reader too slow for one write is cut: it shows as a torn stream, not as a wrong figure. */
static int say(struct connection *c, const char *data, int length) { return send(c->fd, data, (size_t)length, MSG_NOSIGNAL) == length; }

/* Where the first request in the buffer ends; 0 while it is incomplete. */
static size_t request_end(struct connection *c) {
    char *head = memmem(c->data, c->filled, "\r\n\r\n", 4);
    if (!head) return 0;
    *head = 0;
    char *length = strcasestr(c->data, "\r\ncontent-length:"), *coding = strcasestr(c->data, "\r\ntransfer-encoding: chunked");
    size_t body = length ? strtoul(length + 17, NULL, 10) : 0, at = (size_t)(head - c->data) + 4;
    *head = '\r';
    if (coding) {
        char *last = memmem(head, c->filled - (size_t)(head - c->data), "\r\n0\r\n\r\n", 7);
        return last ? (size_t)(last - c->data) + 7 : 0;
    }
    return c->filled >= at + body ? at + body : 0;
}

static int answer(struct connection *c, size_t length) {
    if (!strncmp(c->data, "POST /mock/pace/", 16)) {
        pace_us = strtoul(c->data + 16, NULL, 10);
        return say(c, ok, ok_length);
    }
    if (!strncmp(c->data, "GET ", 4)) return say(c, ok, ok_length);
    if (memmem(c->data, length, "\"stream\":true", 13) || memmem(c->data, length, "\"stream\": true", 14)) {
        c->step = 0;
        c->due_us = now_us();
        streams[stream_count++] = c;
        return 1;
    }
    return say(c, reply, reply_length);
}

static void readable(struct connection *c) {
    ssize_t got = read(c->fd, c->data + c->filled, RECEIVE - c->filled);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        leave(c);
        return;
    }
    c->filled += (size_t)got;
    size_t end;
    while (c->filled && c->step < 0 && (end = request_end(c))) {
        if (!answer(c, end)) {
            leave(c);
            return;
        }
        memmove(c->data, c->data + end, c->filled - end);
        c->filled -= end;
    }
}

static void welcome(int listener) {
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (fd >= MAX_FD) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct connection *c = calloc(1, sizeof *c);
        c->fd = fd, c->step = -1, c->data = malloc(RECEIVE);
        connections[fd] = c;
        struct epoll_event wanted = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &wanted);
    }
}

/* Every stream whose moment has come says its next event; the earliest moment that is left, 0 where there is none. */
static uint64_t advance(void) {
    uint64_t now = now_us(), next = 0;
    for (int i = stream_count - 1; i >= 0; i--) {
        struct connection *c = streams[i];
        if (c->due_us <= now) {
            if (!say(c, steps[c->step], step_length[c->step])) {
                leave(c);
                continue;
            }
            if (++c->step == STEPS) {
                c->step = -1;
                streams[i] = streams[--stream_count];
                continue;
            }
            c->due_us = pace_us ? c->due_us + pace_us : now;
        }
        if (!next || c->due_us < next) next = c->due_us;
    }
    return next;
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    prepare();
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1, timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 2048)) {
        perror("bind");
        return 1;
    }
    epoll_fd = epoll_create1(0);
    struct epoll_event events[256], wanted = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &wanted);
    wanted.data.fd = timer;
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer, &wanted);
    uint64_t armed = 0;
    for (;;) {
        uint64_t next = advance();
        int wait = -1;
        if (next) {
            if (next <= now_us())
                wait = 0;
            else if (next != armed) {
                struct itimerspec at = {.it_value = {(time_t)(next / 1000000u), (long)(next % 1000000u) * 1000}};
                timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
                armed = next;
            }
        }
        int ready = epoll_wait(epoll_fd, events, 256, wait);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == listener)
                welcome(listener);
            else if (fd == timer) {
                uint64_t rings;
                if (read(timer, &rings, sizeof rings) > 0) armed = 0;
            } else if (connections[fd])
                readable(connections[fd]);
        }
    }
}

/* A camera of V4L2 without a kernel driver: preloaded, it answers for one device.

   CAMERA is the device's path, MODES what it offers, as "YUYV 256 384 25;Y16  640 512 60", the first
   one by default. As a UVC driver does, it answers a wish with the nearest that it has. Byte i of
   frame n is (i + i / 251 + n) % 256. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#define MOST 10
static struct { unsigned code, width, height, rate; } modes[16], now;
static int count, device = -1, queue[MOST], queued;
static unsigned bytes, frame;
static unsigned char *memory;

static int answer(const char *path) {
    const char *text = getenv("MODES");
    if (!getenv("CAMERA") || !text || strcmp(path, getenv("CAMERA"))) return 0;
    for (count = 0; text && count < 16; text = strchr(text, ';'), text = text ? text + 1 : text) {
        modes[count].code = v4l2_fourcc(text[0], text[1], text[2], text[3]);
        if (sscanf(text + 4, "%u %u %u", &modes[count].width, &modes[count].height, &modes[count].rate) != 3) break;
        count++;
    }
    now = modes[0];
    device = memfd_create("camera", 0);
    return 1;
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = va_arg(rest, int);
    va_end(rest);
    if (answer(path)) return device;
    return ((int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open"))(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = va_arg(rest, int);
    va_end(rest);
    if (answer(path)) return device;
    return ((int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open64"))(path, flags, mode);
}

int close(int fd) {
    if (fd == device) device = -1;
    return ((int (*)(int))dlsym(RTLD_NEXT, "close"))(fd);
}

static void choose(struct v4l2_pix_format *wish) {
    unsigned best = -1, known = 0;
    for (int i = 0; i < count; i++) known |= modes[i].code == wish->pixelformat;
    unsigned code = known ? wish->pixelformat : modes[0].code;
    for (int i = 0; i < count; i++) {
        unsigned off = abs((int)modes[i].width - (int)wish->width) + abs((int)modes[i].height - (int)wish->height);
        if (modes[i].code == code && off < best) best = off, now = modes[i];
    }
}

static void describe(struct v4l2_pix_format *found) {
    found->width = now.width;
    found->height = now.height;
    found->pixelformat = now.code;
    found->field = V4L2_FIELD_NONE;
    found->bytesperline = 2 * now.width;
    found->sizeimage = bytes = 2 * now.width * now.height;
}

static int refuse(int code) {
    errno = code;
    return -1;
}

int ioctl(int fd, unsigned long request, ...) {
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    if (fd != device || device < 0)
        return ((int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl"))(fd, request, argument);
    struct v4l2_buffer *buffer = argument;
    struct v4l2_fract *period = &((struct v4l2_streamparm *)argument)->parm.capture.timeperframe;
    switch ((unsigned)request) {
    case VIDIOC_QUERYCAP: {
        struct v4l2_capability *found = argument;
        memset(found, 0, sizeof *found);
        strcpy((char *)found->card, "camera");
        found->capabilities = found->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
        return 0;
    }
    case VIDIOC_S_FMT:
        choose(&((struct v4l2_format *)argument)->fmt.pix); /* fall through */
    case VIDIOC_G_FMT:
        describe(&((struct v4l2_format *)argument)->fmt.pix);
        return 0;
    case VIDIOC_S_PARM: {
        unsigned best = -1, wish = period->numerator ? period->denominator / period->numerator : 0;
        for (int i = 0; i < count; i++) {
            unsigned off = abs((int)modes[i].rate - (int)wish);
            int same = modes[i].code == now.code && modes[i].width == now.width && modes[i].height == now.height;
            if (same && off < best) best = off, now.rate = modes[i].rate;
        }
    } /* fall through */
    case VIDIOC_G_PARM:
        period->numerator = 1;
        period->denominator = now.rate;
        return 0;
    case VIDIOC_REQBUFS: {
        struct v4l2_requestbuffers *wish = argument;
        queued = 0;
        if (wish->count > MOST) wish->count = MOST;
        if (wish->count) {
            if (ftruncate(device, (off_t)wish->count * bytes)) return -1;
            memory = mmap(NULL, (size_t)wish->count * bytes, PROT_WRITE, MAP_SHARED, device, 0);
        }
        return 0;
    }
    case VIDIOC_QUERYBUF:
        buffer->length = bytes;
        buffer->m.offset = buffer->index * bytes;
        return 0;
    case VIDIOC_QBUF:
        queue[queued++] = buffer->index;
        return 0;
    case VIDIOC_DQBUF: {
        if (!queued) return refuse(EAGAIN);
        usleep(1000000 / now.rate);
        int index = queue[0];
        memmove(queue, queue + 1, sizeof(int) * --queued);
        for (unsigned i = 0; i < bytes; i++) memory[(size_t)index * bytes + i] = i + i / 251 + frame;
        frame++;
        buffer->index = index;
        buffer->bytesused = buffer->length = bytes;
        gettimeofday(&buffer->timestamp, NULL);
        return 0;
    }
    case VIDIOC_STREAMON:
    case VIDIOC_STREAMOFF:
        return 0;
    default:
        return refuse(EINVAL);
    }
}

/* A stand-in for NVIDIA's driver, libcuda.so.1: "device" memory is the host's.

   Work waits in its stream until somebody waits for the stream, so a result that is read too early,
   or a buffer that is overwritten too early, is wrong here as it would be on a GPU. Fresh memory
   holds rubbish. Calls without a current context fail, as in the real one. */

#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_CONTEXT = 201, NOT_FOUND = 500 };
enum { DEPTH = 16, MOST_WORK = 64 };

typedef struct { void *to; const void *from; size_t size; void (*call)(void *); void *data; } Work;
typedef struct { Work work[MOST_WORK]; int length, capturing, before; } Queue; /* stream or graph */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static __thread int contexts; /* depth of this thread's stack; there is but one context */
static long live_bytes, live_objects, launches, limit = 1L << 32;

#define CURRENT() do { if (!contexts) return INVALID_CONTEXT; } while (0)

static void *allocate(size_t size) {
    size_t *block = aligned_alloc(256, 256 + (size + 255) / 256 * 256);
    pthread_mutex_lock(&lock);
    if (live_bytes + (long)size > limit) { pthread_mutex_unlock(&lock); free(block); return 0; }
    live_bytes += size;
    pthread_mutex_unlock(&lock);
    block[0] = size;
    memset((char *)block + 256, 0xA5, size);
    return (char *)block + 256;
}

static void release(void *address) {
    size_t *block = (size_t *)((char *)address - 256);
    __sync_fetch_and_sub(&live_bytes, (long)block[0]);
    memset(address, 0x5A, block[0]);
    free(block);
}

static int enqueue(Queue *stream, Work work) {
    CURRENT();
    if (!stream || stream->length == MOST_WORK) return INVALID_VALUE;
    stream->work[stream->length++] = work;
    return OK;
}

static void run(Work *w) {
    if (w->call) w->call(w->data);
    else memcpy(w->to, w->from, w->size);
}

/* For tests. */
long stand_in_live_bytes(void) { return live_bytes; }
long stand_in_live_objects(void) { return live_objects; }
long stand_in_launches(void) { return launches; }
void stand_in_set_limit(long bytes) { limit = bytes; }

int cuInit(unsigned flags) { return OK; }
int cuDriverGetVersion(int *version) { *version = 13000; return OK; }
int cuDeviceGetCount(int *count) { *count = 1; return OK; }
int cuDeviceGet(int *device, int n) { *device = n; return n ? 101 : OK; }
int cuDeviceGetName(char *name, int size, int device) { strncpy(name, "Stand-in", size); return OK; }
int cuDeviceGetAttribute(int *value, int attribute, int device) { /* 75, 76: capability */
    *value = attribute == 75 ? 8 : attribute == 76 ? 6 : 64;
    return OK;
}
int cuDeviceComputeCapability(int *major, int *minor, int device) { *major = 8; *minor = 6; return OK; }
int cuDevicePrimaryCtxRetain(void **context, int device) { *context = &lock; return OK; }
int cuDevicePrimaryCtxRelease_v2(int device) { return OK; }
int cuCtxPushCurrent_v2(void *context) { return contexts++ < DEPTH ? OK : INVALID_VALUE; }
int cuCtxPopCurrent_v2(void **context) { CURRENT(); contexts--; if (context) *context = &lock; return OK; }
int cuCtxGetCurrent(void **context) { *context = contexts ? &lock : 0; return OK; }
int cuCtxGetDevice(int *device) { CURRENT(); *device = 0; return OK; }
int cuCtxSynchronize(void) { CURRENT(); return OK; }
int cuCtxDetach(void *context) { return OK; }
int cuCtxGetApiVersion(void *context, unsigned *version) { *version = 13000; return OK; }

int cuMemAlloc_v2(uint64_t *address, size_t size) {
    CURRENT();
    *address = (uint64_t)(uintptr_t)allocate(size);
    return *address ? OK : OUT_OF_MEMORY;
}
int cuMemFree_v2(uint64_t address) { CURRENT(); release((void *)(uintptr_t)address); return OK; }
int cuMemHostAlloc(void **address, size_t size, unsigned flags) {
    CURRENT();
    *address = allocate(size);
    return *address ? OK : OUT_OF_MEMORY;
}
int cuMemFreeHost(void *address) { CURRENT(); release(address); return OK; }
int cuPointerGetAttribute(void *data, int attribute, uint64_t address) {
    if (attribute == 2) *(unsigned *)data = 2; /* its memory type: the device's */
    else *(int *)data = 0;                     /* its device's number */
    return OK;
}
int cuPointerGetAttributes(unsigned n, int *attributes, void **data, uint64_t address) {
    for (unsigned i = 0; i < n; i++) cuPointerGetAttribute(data[i], attributes[i], address);
    return OK;
}

int cuStreamCreate(Queue **stream, unsigned flags) {
    CURRENT();
    *stream = calloc(1, sizeof(Queue));
    __sync_fetch_and_add(&live_objects, 1);
    return flags == 1 ? OK : INVALID_VALUE; /* non-blocking streams only */
}
int cuStreamDestroy_v2(Queue *stream) { free(stream); __sync_fetch_and_sub(&live_objects, 1); return OK; }
int cuStreamSynchronize(Queue *stream) {
    CURRENT();
    if (!stream) return OK; /* CUDA's default stream, in which nothing is ever put here */
    if (stream->capturing) return 900;
    for (int i = 0; i < stream->length; i++) run(&stream->work[i]);
    stream->length = 0;
    return OK;
}
int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t size, Queue *stream) {
    return enqueue(stream, (Work){(void *)(uintptr_t)to, from, size});
}
int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t size, Queue *stream) {
    return enqueue(stream, (Work){to, (void *)(uintptr_t)from, size});
}
int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t size) {
    CURRENT();
    memcpy((void *)(uintptr_t)to, from, size);
    return OK;
}
int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t size) {
    CURRENT();
    memcpy(to, (void *)(uintptr_t)from, size);
    return OK;
}
int cuLaunchHostFunc(Queue *stream, void (*call)(void *), void *data) {
    return enqueue(stream, (Work){0, 0, 0, call, data});
}
int cuEventCreate(void **event, unsigned flags) { CURRENT(); *event = &lock; return OK; }
int cuEventRecord(void *event, Queue *stream) { return OK; }
int cuEventDestroy_v2(void *event) { return OK; }
int cuStreamWaitEvent(Queue *stream, void *event, unsigned flags) { return OK; }

int cuStreamBeginCapture_v2(Queue *stream, int mode) {
    CURRENT();
    if (stream->capturing) return INVALID_VALUE;
    stream->capturing = 1;
    stream->before = stream->length; /* what is in the stream already stays out of the graph */
    return OK;
}
int cuStreamEndCapture(Queue *stream, Queue **graph) {
    CURRENT();
    *graph = calloc(1, sizeof(Queue));
    (*graph)->length = stream->length - stream->before;
    memcpy((*graph)->work, stream->work + stream->before, (*graph)->length * sizeof(Work));
    stream->length = stream->before;
    stream->capturing = 0;
    __sync_fetch_and_add(&live_objects, 1);
    return OK;
}
int cuGraphInstantiateWithFlags(Queue **program, Queue *graph, unsigned long long flags) {
    CURRENT();
    *program = malloc(sizeof(Queue));
    **program = *graph;
    __sync_fetch_and_add(&live_objects, 1);
    return OK;
}
int cuGraphLaunch(Queue *program, Queue *stream) {
    __sync_fetch_and_add(&launches, 1);
    for (int i = 0, status; i < program->length; i++)
        if ((status = enqueue(stream, program->work[i]))) return status;
    return OK;
}
int cuGraphExecDestroy(Queue *program) { free(program); __sync_fetch_and_sub(&live_objects, 1); return OK; }
int cuGraphDestroy(Queue *graph) { free(graph); __sync_fetch_and_sub(&live_objects, 1); return OK; }

int cuGetErrorName(int status, const char **name) { *name = "CUDA_ERROR_STAND_IN"; return OK; }
int cuGetErrorString(int status, const char **text) {
    *text = status == OUT_OF_MEMORY ? "out of memory"
          : status == INVALID_CONTEXT ? "invalid device context" : "some error";
    return OK;
}

/* Bindings ask for the oldest name of a function and mean its newest form. */
int cuGetProcAddress_v2(const char *name, void **function, int version, uint64_t flags, int *status) {
    char versioned[96] = {0};
    strncat(strncpy(versioned, name, 80), "_v2", 4);
    void *self = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
    *function = dlsym(self, versioned);
    if (!*function) *function = dlsym(self, name);
    if (!*function && !strcmp(name, "cuGraphInstantiate")) *function = cuGraphInstantiateWithFlags;
    if (status) *status = *function ? 0 : 1;
    return *function ? OK : NOT_FOUND;
}

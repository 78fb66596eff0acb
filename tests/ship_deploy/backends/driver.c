/* A stand-in for NVIDIA's driver, libcuda.so.1: "device" memory is the host's.

   Work waits in its stream until somebody waits for the stream, so a result that is read too early,
   or a buffer that is overwritten too early, is wrong here as it would be on a GPU. Fresh memory
   holds rubbish. Calls without a current context fail, as in the real one, and so do those for a
   stream of another context. It fails as tests want it to: see the functions for tests. */

#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_CONTEXT = 201, INVALID_HANDLE = 400,
       NOT_FOUND = 500 };
enum { DEPTH = 16, MOST_WORK = 64, MOST = 256 };
enum { LAZY, EAGER, OTHERS_FIRST }; /* when work is done, see stand_in_set_order */

typedef struct { void *to; const void *from; size_t size; void (*call)(void *); void *data; } Work;
typedef struct { /* a stream or a graph */
    Work work[MOST_WORK];
    int length, capturing, before;
    void *context;
} Queue;
typedef struct { size_t size; void *context; } Block; /* 256 bytes before what it describes */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char primary, foreign; /* contexts: their addresses are their handles */
static __thread void *contexts[DEPTH]; /* this thread's stack */
static __thread int depth;
static long live_bytes, live_objects, launches, copies, limit = 1L << 32;
static void *blocks[MOST];
static Queue *streams[MOST];
static int order, integrated, broken, breaks_with;
static char fails_at[64];
static int fails_after, fails_with;

#define CURRENT() do { if (!depth) return INVALID_CONTEXT; if (broken) return broken; } while (0)
#define MAY_FAIL(kind) do { int status_ = fault(kind, __func__); if (status_) return status_; } while (0)

/* The status that a test wants of this function, or of all that allocate, from some call on. */
static int fault(const char *kind, const char *function) {
    if (!fails_with || (strcmp(fails_at, kind) && strcmp(fails_at, function))) return OK;
    return fails_after-- > 0 ? OK : fails_with;
}

static void list(void **slots, void *old, void *new) {
    pthread_mutex_lock(&lock);
    for (int i = 0; i < MOST; i++) if (slots[i] == old) { slots[i] = new; break; }
    pthread_mutex_unlock(&lock);
}

static void *allocate(size_t size) {
    Block *block = aligned_alloc(256, 256 + (size + 255) / 256 * 256);
    void *address = (char *)block + 256;
    pthread_mutex_lock(&lock);
    if (live_bytes + (long)size > limit) { pthread_mutex_unlock(&lock); free(block); return 0; }
    live_bytes += size;
    pthread_mutex_unlock(&lock);
    *block = (Block){size, contexts[depth - 1]};
    list(blocks, 0, address);
    memset(address, 0xA5, size);
    return address;
}

static void release(void *address) {
    Block *block = (Block *)((char *)address - 256);
    __sync_fetch_and_sub(&live_bytes, (long)block->size);
    list(blocks, address, 0);
    memset(address, 0x5A, block->size);
    free(block);
}

static int run(Work *w) {
    if (breaks_with) { broken = breaks_with; breaks_with = 0; }
    if (broken) return broken;
    if (w->call) w->call(w->data);
    else memcpy(w->to, w->from, w->size), __sync_fetch_and_add(&copies, 1);
    return OK;
}

static int drain(Queue *stream) {
    int status = OK;
    for (int i = 0; i < stream->length && !status; i++) status = run(&stream->work[i]);
    stream->length = 0;
    return status;
}

static int enqueue(Queue *stream, Work work) {
    CURRENT();
    if (!stream || stream->length == MOST_WORK) return INVALID_VALUE;
    if (stream->context != contexts[depth - 1]) return INVALID_HANDLE;
    stream->work[stream->length++] = work;
    if (order == EAGER && !stream->capturing) drain(stream); /* an error shows when it is waited for */
    return OK;
}

/* For tests. */
long stand_in_live_bytes(void) { return live_bytes; }
long stand_in_live_objects(void) { return live_objects; }
long stand_in_launches(void) { return launches; }
long stand_in_copies(void) { return copies; }
void stand_in_set_limit(long bytes) { limit = bytes; }
/* A GPU that shares the memory of the CPU, as in a Jetson. */
void stand_in_set_integrated(int yes) { integrated = yes; }
/* Work is done when its stream is waited for; at once; or after that of all younger streams and
   then of all older ones, so that what began last ends first. */
void stand_in_set_order(int value) { order = value; }
/* After so many calls more, a function, or all that allocate ("allocation"), fail; status 0: none. */
void stand_in_fail(const char *function, int after, int status) {
    strncpy(fails_at, function, sizeof fails_at - 1);
    fails_after = after, fails_with = status;
}
/* The next work on the GPU breaks the context: every later call says the same. */
void stand_in_break(int status) { breaks_with = status; }
/* As in a new process. */
void stand_in_mend(void) { broken = breaks_with = fails_with = order = integrated = 0; }
/* A context that some other library has made. */
void *stand_in_foreign(void) { return &foreign; }

int cuInit(unsigned flags) { MAY_FAIL(""); return OK; }
int cuDriverGetVersion(int *version) { *version = 13000; return OK; }
int cuDeviceGetCount(int *count) { *count = 1; return OK; }
int cuDeviceGet(int *device, int n) { *device = n; return n ? 101 : OK; }
int cuDeviceGetName(char *name, int size, int device) { strncpy(name, "Stand-in", size); return OK; }
int cuDeviceGetAttribute(int *value, int attribute, int device) { /* 75, 76: capability */
    int shared = attribute == 18 || attribute == 19; /* integrated, can map host memory */
    *value = attribute == 75 ? 8 : attribute == 76 ? 6 : shared ? integrated : 64;
    return OK;
}
int cuDeviceComputeCapability(int *major, int *minor, int device) { *major = 8; *minor = 6; return OK; }
int cuDevicePrimaryCtxRetain(void **context, int device) {
    MAY_FAIL("allocation");
    *context = &primary;
    return broken;
}
int cuDevicePrimaryCtxRelease_v2(int device) { return OK; }
int cuCtxPushCurrent_v2(void *context) {
    if (depth == DEPTH) return INVALID_VALUE;
    contexts[depth++] = context;
    return OK;
}
int cuCtxPopCurrent_v2(void **context) {
    if (!depth) return INVALID_CONTEXT;
    depth--;
    if (context) *context = contexts[depth];
    return OK;
}
int cuCtxGetCurrent(void **context) { *context = depth ? contexts[depth - 1] : 0; return OK; }
int cuCtxGetDevice(int *device) { CURRENT(); *device = 0; return OK; }
int cuCtxSynchronize(void) { CURRENT(); return OK; }
int cuCtxDetach(void *context) { return OK; }
int cuCtxGetApiVersion(void *context, unsigned *version) { *version = 13000; return OK; }

int cuMemAlloc_v2(uint64_t *address, size_t size) {
    CURRENT();
    MAY_FAIL("allocation");
    *address = (uint64_t)(uintptr_t)allocate(size);
    return *address ? OK : OUT_OF_MEMORY;
}
int cuMemFree_v2(uint64_t address) { /* even if broken, so that tests see what was tried */
    release((void *)(uintptr_t)address);
    CURRENT();
    return OK;
}
int cuMemHostAlloc(void **address, size_t size, unsigned flags) {
    CURRENT();
    MAY_FAIL("allocation");
    *address = allocate(size);
    return *address ? OK : OUT_OF_MEMORY;
}
int cuMemFreeHost(void *address) { release(address); CURRENT(); return OK; }
int cuMemHostGetDevicePointer_v2(uint64_t *device, void *address, unsigned flags) {
    CURRENT();
    *device = (uint64_t)(uintptr_t)address;
    return OK;
}
int cuPointerGetAttribute(void *data, int attribute, uint64_t address) {
    if (attribute == 1) { /* its context; none for memory of a pool */
        *(void **)data = 0;
        for (int i = 0; i < MOST; i++)
            if (blocks[i] && blocks[i] == (void *)(uintptr_t)address)
                *(void **)data = ((Block *)((char *)blocks[i] - 256))->context;
    }
    else if (attribute == 2) *(unsigned *)data = 2; /* its memory type: the device's */
    else *(int *)data = 0;                          /* its device's number */
    return OK;
}
int cuPointerGetAttributes(unsigned n, int *attributes, void **data, uint64_t address) {
    for (unsigned i = 0; i < n; i++) cuPointerGetAttribute(data[i], attributes[i], address);
    return OK;
}

int cuStreamCreate(Queue **stream, unsigned flags) {
    CURRENT();
    MAY_FAIL("allocation");
    if (flags != 1) return INVALID_VALUE; /* non-blocking streams only */
    *stream = calloc(1, sizeof(Queue));
    (*stream)->context = contexts[depth - 1];
    list((void **)streams, 0, *stream);
    __sync_fetch_and_add(&live_objects, 1);
    return OK;
}
int cuStreamDestroy_v2(Queue *stream) {
    list((void **)streams, stream, 0);
    free(stream);
    __sync_fetch_and_sub(&live_objects, 1);
    return broken;
}
int cuStreamSynchronize(Queue *stream) {
    CURRENT();
    if (!stream) return OK; /* CUDA's default stream, in which nothing is ever put here */
    if (stream->capturing) return 900;
    for (int i = MOST - 1, status; order == OTHERS_FIRST && i >= 0; i--)
        if (streams[i] && streams[i] != stream && !streams[i]->capturing)
            if ((status = drain(streams[i]))) return status;
    return drain(stream);
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
    MAY_FAIL("");
    if (stream->capturing) return INVALID_VALUE;
    stream->capturing = 1;
    stream->before = stream->length; /* what is in the stream already stays out of the graph */
    return OK;
}
int cuStreamEndCapture(Queue *stream, Queue **graph) {
    CURRENT();
    if (fault("allocation", __func__)) { /* it ends all the same */
        stream->length = stream->before;
        stream->capturing = 0;
        return fails_with;
    }
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
    MAY_FAIL("allocation");
    *program = malloc(sizeof(Queue));
    **program = *graph;
    __sync_fetch_and_add(&live_objects, 1);
    return OK;
}
int cuGraphLaunch(Queue *program, Queue *stream) {
    CURRENT();
    MAY_FAIL("");
    __sync_fetch_and_add(&launches, 1);
    for (int i = 0, status; i < program->length; i++)
        if ((status = enqueue(stream, program->work[i]))) return status;
    return OK;
}
int cuGraphExecDestroy(Queue *program) { free(program); __sync_fetch_and_sub(&live_objects, 1); return OK; }
int cuGraphDestroy(Queue *graph) { free(graph); __sync_fetch_and_sub(&live_objects, 1); return OK; }

int cuGetErrorName(int status, const char **name) { *name = "CUDA_ERROR_STAND_IN"; return OK; }
int cuGetErrorString(int status, const char **text) {
    switch (status) { /* in the words of the real one */
    case OUT_OF_MEMORY: *text = "out of memory"; break;
    case 46: *text = "CUDA-capable device(s) is/are busy or unavailable"; break;
    case INVALID_CONTEXT: *text = "invalid device context"; break;
    case 700: *text = "an illegal memory access was encountered"; break;
    case 719: *text = "unspecified launch failure"; break;
    case 807: *text = "MPS server is not ready to accept new MPS client requests"; break;
    case 810: *text = "the MPS client has been terminated by the server"; break;
    case 999: *text = "unknown error"; break;
    default: *text = "some error";
    }
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

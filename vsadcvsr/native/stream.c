#include "filters.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

/* Hosts without an end in sight declare an enormous clip (mpv: 134 million frames) whose frames past the real end
   fail. Nothing but frame n may be required there, or the last pictures would be lost; Python tries for the others.
   A clip of INT_MAX frames is std.Loop's, whose frames never fail. */
enum { UNBOUNDED = 60000000, NEAR = 32, CACHED = 4 };

#define OUT_OF_MEMORY "Upscale: out of memory"

typedef struct {
    VSNode *clip;
    VSFunction *func;
    VSVideoInfo out;
    int ahead;
    atomic_int latest; /* the frame asked for last: a hint that saves work, results never depend on it */
} Stream;

/* The numbers of the clip's frames that have been requested for one output frame, without repetitions. */
typedef struct {
    int attempt; /* how often more were requested */
    int count;
    int capacity;
    int *numbers;
} Inputs;

static int contains(const Inputs *inputs, int n) {
    for (int i = inputs->count - 1; i >= 0; i--)
        if (inputs->numbers[i] == n)
            return 1;
    return 0;
}

/* Requests frame n unless it is there. Returns 0 where there is no memory for its number. */
static int request(Inputs *inputs, int n, const Stream *stream, VSFrameContext *context, const VSAPI *vsapi) {
    if (contains(inputs, n))
        return 1;
    if (inputs->count == inputs->capacity) {
        int capacity = 2 * inputs->capacity + 8;
        int *numbers = realloc(inputs->numbers, (size_t)capacity * sizeof *numbers);
        if (!numbers)
            return 0;
        inputs->numbers = numbers;
        inputs->capacity = capacity;
    }
    inputs->numbers[inputs->count++] = n;
    vsapi->requestFrameFilter(n, stream->clip, context);
    return 1;
}

static void free_inputs(Inputs *inputs) {
    if (inputs)
        free(inputs->numbers);
    free(inputs);
}

static const VSFrame *refuse(void **frame_data, const char *why, VSFrameContext *context, const VSAPI *vsapi) {
    free_inputs(*frame_data);
    *frame_data = NULL;
    vsapi->setFilterError(why, context);
    return NULL;
}

/* Of the frames up to n + ahead, those after the returned one were asked for shortly before, in linear use. Asking for all of a
   long window with each n would compute them many times over where it does not fit the upstream cache. */
static int first_new(Stream *stream, int n, int last) {
    if (stream->out.numFrames >= UNBOUNDED && stream->out.numFrames < INT_MAX)
        return last + 1;
    int latest = atomic_exchange(&stream->latest, n);
    if (latest < 0 || n > latest + NEAR || n < latest - NEAR)
        return last + 1;
    int first = n > latest ? latest + stream->ahead + 1 : last; /* frame n + ahead is always needed */
    return first <= n ? n + 1 : first < last ? first : last;
}

static const VSFrame *begin(Stream *stream, int n, void **frame_data, VSFrameContext *context, const VSAPI *vsapi) {
    Inputs *inputs = calloc(1, sizeof *inputs);
    int end = stream->out.numFrames - 1;
    int last = n > end - stream->ahead ? end : n + stream->ahead;
    *frame_data = inputs;
    int fits = inputs && request(inputs, n, stream, context, vsapi);
    for (int i = first_new(stream, n, last); fits && i <= last; i++)
        fits = request(inputs, i, stream, context, vsapi);
    return fits ? NULL : refuse(frame_data, OUT_OF_MEMORY, context, vsapi);
}

/* What Python says of frame n: a picture, an error, or what else it needs. */
static void ask(Stream *stream, int n, const Inputs *inputs, VSMap *out, VSFrameContext *context, const VSAPI *vsapi) {
    VSMap *in = vsapi->createMap();
    vsapi->mapSetInt(in, "n", n, maReplace);
    vsapi->mapSetInt(in, "attempt", inputs->attempt, maReplace);
    for (int i = 0; i < inputs->count; i++) {
        vsapi->mapSetInt(in, "numbers", inputs->numbers[i], maAppend);
        vsapi->mapConsumeFrame(in, "frames", vsapi->getFrameFilter(inputs->numbers[i], stream->clip, context), maAppend);
    }
    vsapi->callFunction(stream->func, in, out);
    vsapi->freeMap(in);
}

/* Requests what Python still needs. Nothing waits here: the frame is activated again when all is there, and other frames may
   have been made in between. */
static const VSFrame *request_more(Stream *stream, void **frame_data, const VSMap *out, VSFrameContext *context,
                                   const VSAPI *vsapi) {
    Inputs *inputs = *frame_data;
    inputs->attempt++;
    int before = inputs->count, count = vsapi->mapNumElements(out, "request");
    for (int i = 0; i < count; i++) {
        int n = vsapi->mapGetIntSaturated(out, "request", i, NULL);
        if (n < 0 || n >= stream->out.numFrames)
            continue;
        if (!request(inputs, n, stream, context, vsapi))
            return refuse(frame_data, OUT_OF_MEMORY, context, vsapi);
    }
    return inputs->count > before ? NULL : refuse(frame_data, "Upscale: Python returned no frame", context, vsapi);
}

/* The picture that Python made, with all properties of the source frame; shares the pixels. */
static const VSFrame *with_properties(const VSFrame *made, int n, Stream *stream, VSFrameContext *context, VSCore *core,
                                      const VSAPI *vsapi) {
    const VSFrame *source = vsapi->getFrameFilter(n, stream->clip, context);
    VSFrame *result = vsapi->copyFrame(made, core);
    vsapi->copyMap(vsapi->getFramePropertiesRO(source), vsapi->getFramePropertiesRW(result));
    vsapi->freeFrame(source);
    vsapi->freeFrame(made);
    return result;
}

static const VSFrame *answer(Stream *stream, int n, void **frame_data, const VSMap *out, VSFrameContext *context, VSCore *core,
                             const VSAPI *vsapi) {
    int missing;
    const char *error = vsapi->mapGetError(out);
    if (!error)
        error = vsapi->mapGetData(out, "error", 0, &missing);
    if (error)
        return refuse(frame_data, error, context, vsapi);
    const VSFrame *made = vsapi->mapGetFrame(out, "frame", 0, &missing);
    if (!made)
        return request_more(stream, frame_data, out, context, vsapi);
    free_inputs(*frame_data);
    *frame_data = NULL;
    return with_properties(made, n, stream, context, core, vsapi);
}

static const VSFrame *VS_CC stream_frame(int n, int reason, void *instance, void **frame_data, VSFrameContext *context,
                                         VSCore *core, const VSAPI *vsapi) {
    Stream *stream = instance;
    if (reason == arInitial)
        return begin(stream, n, frame_data, context, vsapi);
    if (reason == arAllFramesReady) {
        VSMap *out = vsapi->createMap();
        ask(stream, n, *frame_data, out, context, vsapi);
        const VSFrame *result = answer(stream, n, frame_data, out, context, core, vsapi);
        vsapi->freeMap(out);
        return result;
    }
    free_inputs(*frame_data); /* an input failed */
    *frame_data = NULL;
    return NULL;
}

static void VS_CC stream_free(void *instance, VSCore *core, const VSAPI *vsapi) {
    Stream *stream = instance;
    (void)core;
    vsapi->freeNode(stream->clip);
    vsapi->freeFunction(stream->func);
    free(stream);
}

void VS_CC stream_create(const VSMap *in, VSMap *out, void *data, VSCore *core, const VSAPI *vsapi) {
    Stream *stream = malloc(sizeof *stream);
    int missing, scale = vsapi->mapGetIntSaturated(in, "scale", 0, NULL);
    (void)data;
    if (!stream) {
        vsapi->mapSetError(out, OUT_OF_MEMORY);
        return;
    }
    stream->clip = vsapi->mapGetNode(in, "clip", 0, NULL);
    stream->func = vsapi->mapGetFunction(in, "func", 0, NULL);
    stream->ahead = vsapi->mapGetIntSaturated(in, "ahead", 0, NULL);
    stream->out = *vsapi->getVideoInfo(stream->clip);
    stream->out.width *= scale;
    stream->out.height *= scale;
    vsapi->getVideoFormatByID(&stream->out.format, (uint32_t)vsapi->mapGetInt(in, "format", 0, NULL), core);
    atomic_init(&stream->latest, -1);
    VSFilterDependency needs = {stream->clip, stream->ahead ? rpGeneral : rpStrictSpatial};
    /* Parallel requests: upstream goes on while a picture is made, and pictures are made one at a time, unless the network
       has several streams. */
    int mode = vsapi->mapGetIntSaturated(in, "streams", 0, &missing) > 1 ? fmParallel : fmParallelRequests;
    VSNode *node = vsapi->createVideoFilter2("Upscale", &stream->out, stream_frame, stream_free, mode, &needs, 1, stream, core);
    if (!node) {
        vsapi->mapSetError(out, "Upscale: the filter cannot be made");
        return;
    }
    /* The engine keeps what it finished last; a second store of float pictures would grow to gigabytes when one seeks.
       Pictures in parts have two readers, though, the second of which comes a little later. */
    vsapi->setCacheMode(node, cmForceEnable);
    vsapi->setCacheOptions(node, 1, CACHED, 0);
    vsapi->mapConsumeNode(out, "clip", node, maReplace);
}

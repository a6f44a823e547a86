#include "filters.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

/* Hosts without an end in sight declare an enormous clip (mpv: 134 million frames) whose frames past the real end
   fail. Nothing but frame n may be required there, or the last pictures would be lost; Python tries for the others. */
enum { UNBOUNDED = 60000000, NEAR = 32, CACHED = 4 };

typedef struct {
    VSNode *clip;
    VSFunction *func;
    VSVideoInfo out;
    int ahead;
    /* Hints that save work; results never depend on them. */
    atomic_int latest; /* the frame asked for last */
    int due;           /* the frame after the one that was made last, or -1; only touched while a picture is made */
} Stream;

/* Frames n and first..last are asked for; frames between n and first were asked for shortly before. Asking for all of a long
   window again with each n would compute them many times over where it does not fit the upstream cache. */
static int first_new(Stream *stream, int n, int last) {
    if (stream->out.numFrames >= UNBOUNDED)
        return last + 1;
    int latest = atomic_exchange(&stream->latest, n);
    if (latest < 0 || n > latest + NEAR || n < latest - NEAR)
        return n + 1;
    int first = n > latest ? latest + stream->ahead + 1 : last; /* frame n + ahead is always needed */
    return first <= n ? n + 1 : first < last ? first : last;
}

/* A frame whose inputs came before those of its forerunners would make the engine run ahead, and its ring too small. So it
   waits once for their inputs as well: by then they are ready too, and VapourSynth takes the oldest request first. */
static int overtakes(Stream *stream, int n) {
    return stream->out.numFrames < UNBOUNDED && stream->due >= 0 && n > stream->due && n <= stream->due + NEAR;
}

static void request_forerunners(Stream *stream, int n, VSFrameContext *context, const VSAPI *vsapi) {
    for (int i = stream->due; i < n; i++) {
        vsapi->requestFrameFilter(i, stream->clip, context);
        vsapi->requestFrameFilter(i + stream->ahead, stream->clip, context); /* clamped to the clip */
    }
}

static void give(VSMap *in, int n, VSNode *clip, VSFrameContext *context, const VSAPI *vsapi) {
    vsapi->mapSetInt(in, "at", n, maAppend);
    vsapi->mapConsumeFrame(in, "frames", vsapi->getFrameFilter(n, clip, context), maAppend);
}

/* The picture that Python made, with all properties of the source frame; shares the pixels. */
static const VSFrame *dressed(const VSFrame *made, const VSFrame *source, VSCore *core, const VSAPI *vsapi) {
    VSFrame *result = vsapi->copyFrame(made, core);
    vsapi->copyMap(vsapi->getFramePropertiesRO(source), vsapi->getFramePropertiesRW(result));
    return result;
}

static const VSFrame *answer(const VSMap *out, const VSFrame *source, VSFrameContext *context, VSCore *core, const VSAPI *vsapi) {
    int missing;
    const char *error = vsapi->mapGetError(out);
    if (!error)
        error = vsapi->mapGetData(out, "error", 0, &missing);
    const VSFrame *made = error ? NULL : vsapi->mapGetFrame(out, "frame", 0, &missing);
    if (!made) {
        vsapi->setFilterError(error ? error : "Upscale: Python returned no frame", context);
        return NULL;
    }
    const VSFrame *result = dressed(made, source, core, vsapi);
    vsapi->freeFrame(made);
    return result;
}

static const VSFrame *VS_CC stream_frame(int n, int reason, void *instance, void **frame_data, VSFrameContext *context,
                                         VSCore *core, const VSAPI *vsapi) {
    Stream *stream = instance;
    int end = stream->out.numFrames - 1;
    int last = n > end - stream->ahead ? end : n + stream->ahead;
    if (reason == arInitial) {
        int first = first_new(stream, n, last);
        *frame_data = (void *)(intptr_t)(first + 1);
        vsapi->requestFrameFilter(n, stream->clip, context);
        for (int i = first; i <= last; i++)
            vsapi->requestFrameFilter(i, stream->clip, context);
    }
    if (reason != arAllFramesReady)
        return NULL;
    intptr_t first = (intptr_t)*frame_data;
    if (first > 0 && overtakes(stream, n)) {
        *frame_data = (void *)-first; /* not twice */
        request_forerunners(stream, n, context, vsapi);
        return NULL;
    }
    VSMap *in = vsapi->createMap(), *out = vsapi->createMap();
    vsapi->mapSetInt(in, "n", n, maReplace);
    give(in, n, stream->clip, context, vsapi);
    for (int i = (int)(first < 0 ? -first : first) - 1; i <= last; i++)
        give(in, i, stream->clip, context, vsapi);
    *frame_data = NULL;
    stream->due = n + 1;
    vsapi->callFunction(stream->func, in, out);
    const VSFrame *source = vsapi->getFrameFilter(n, stream->clip, context);
    const VSFrame *result = answer(out, source, context, core, vsapi);
    vsapi->freeFrame(source);
    vsapi->freeMap(in);
    vsapi->freeMap(out);
    return result;
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
    int scale = vsapi->mapGetIntSaturated(in, "scale", 0, NULL);
    (void)data;
    if (!stream) {
        vsapi->mapSetError(out, "Upscale: out of memory");
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
    stream->due = -1;
    VSFilterDependency needs = {stream->clip, stream->ahead ? rpGeneral : rpStrictSpatial};
    /* Parallel requests: upstream goes on while a picture is made, and pictures are made one at a time. */
    VSNode *node = vsapi->createVideoFilter2("Upscale", &stream->out, stream_frame, stream_free, fmParallelRequests, &needs, 1,
                                             stream, core);
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

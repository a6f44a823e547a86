#include "filters.h"

#include <stdio.h>
#include <stdlib.h>
#include <VSConstants4.h>

typedef struct {
    VSNode *clip;
    int matrix;
} SetMatrix;

static int property(const VSMap *properties, const char *name, int otherwise, const VSAPI *vsapi) {
    int missing;
    int value = vsapi->mapGetIntSaturated(properties, name, 0, &missing);
    return missing ? otherwise : value;
}

/* RGB (0) cannot be the matrix of a YUV or grey picture, so it counts as unspecified, as filters leave it behind. */
static int is_specified(int matrix) {
    return matrix != VSC_MATRIX_RGB && matrix != VSC_MATRIX_UNSPECIFIED;
}

/* mpv writes `_ColorSpace` instead of `_Matrix`, in the same numbers. */
static int matrix_of(const VSMap *properties, int otherwise, const VSAPI *vsapi) {
    int matrix = property(properties, "_Matrix", VSC_MATRIX_UNSPECIFIED, vsapi);
    if (!is_specified(matrix))
        matrix = property(properties, "_ColorSpace", VSC_MATRIX_UNSPECIFIED, vsapi);
    return is_specified(matrix) ? matrix : otherwise;
}

static int is_known(int matrix) {
    return matrix == VSC_MATRIX_BT709 || (matrix >= VSC_MATRIX_FCC && matrix <= VSC_MATRIX_ICTCP && matrix != 11);
}

static const VSFrame *refuse(const VSFrame *frame, const char *why, VSFrameContext *context, const VSAPI *vsapi) {
    vsapi->freeFrame(frame);
    vsapi->setFilterError(why, context);
    return NULL;
}

static const VSFrame *VS_CC set_matrix_frame(int n, int reason, void *instance, void **frame_data, VSFrameContext *context,
                                       VSCore *core, const VSAPI *vsapi) {
    SetMatrix *filter = instance;
    char why[256];
    (void)frame_data;
    if (reason == arInitial)
        vsapi->requestFrameFilter(n, filter->clip, context);
    if (reason != arAllFramesReady)
        return NULL;
    const VSFrame *frame = vsapi->getFrameFilter(n, filter->clip, context);
    const VSMap *properties = vsapi->getFramePropertiesRO(frame);
    int field = property(properties, "_FieldBased", VSC_FIELD_PROGRESSIVE, vsapi);
    if (field != VSC_FIELD_PROGRESSIVE) {
        snprintf(why, sizeof why, "Upscale: frame %d is interlaced (_FieldBased is %d); deinterlace first, or call"
                 " std.SetFieldBased(0) where the flag is wrong", n, field);
        return refuse(frame, why, context, vsapi);
    }
    if (vsapi->getVideoFrameFormat(frame)->colorFamily == cfRGB)
        return frame;
    int matrix = matrix_of(properties, filter->matrix, vsapi);
    if (!is_known(matrix)) {
        snprintf(why, sizeof why, "Upscale: frame %d has _Matrix %d, allowed: 1, 4 to 10, 12 to 14; call"
                 " std.SetFrameProps(_Matrix=1) where it is wrong", n, matrix);
        return refuse(frame, why, context, vsapi);
    }
    if (property(properties, "_Matrix", VSC_MATRIX_UNSPECIFIED, vsapi) == matrix)
        return frame;
    VSFrame *copy = vsapi->copyFrame(frame, core);
    vsapi->freeFrame(frame);
    vsapi->mapSetInt(vsapi->getFramePropertiesRW(copy), "_Matrix", matrix, maReplace);
    return copy;
}

static void VS_CC set_matrix_free(void *instance, VSCore *core, const VSAPI *vsapi) {
    SetMatrix *filter = instance;
    (void)core;
    vsapi->freeNode(filter->clip);
    free(filter);
}

void VS_CC set_matrix_create(const VSMap *in, VSMap *out, void *data, VSCore *core, const VSAPI *vsapi) {
    SetMatrix *filter = malloc(sizeof *filter);
    (void)data;
    if (!filter) {
        vsapi->mapSetError(out, "Upscale: out of memory");
        return;
    }
    filter->clip = vsapi->mapGetNode(in, "clip", 0, NULL);
    filter->matrix = vsapi->mapGetIntSaturated(in, "matrix", 0, NULL);
    VSFilterDependency needs = {filter->clip, rpStrictSpatial};
    vsapi->createVideoFilter(out, "UpscaleSource", vsapi->getVideoInfo(filter->clip), set_matrix_frame, set_matrix_free, fmParallel, &needs, 1,
                             filter, core);
}

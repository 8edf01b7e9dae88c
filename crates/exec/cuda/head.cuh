// What a detection loss needs of the outputs of a head, and the gradient at them (src/head_pass.rs).
//
// Anchors of an image are counted by level, then row by row: anchor `first + cell` is pixel `image * plane + cell` of its
// level. `physical` has the channel of the tensor for each channel of the array, as in layout.cuh.
#pragma once
#include "sums.cuh"

// to[image][anchor][side]: the mean of the bins 0, 1, .. weighted by the softmax of their logits.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_expected_bins(const float* z, int ld, const int* physical, float* to, int pixels, int plane, int bins, int first, int anchors) {
    for (size_t i = first_value(); i < (size_t)pixels * 4; i += value_step()) {
        const size_t p = i / 4;
        const float* row = z + p * ld;
        const int* channel = physical + i % 4 * bins;
        float highest = row[channel[0]];
        for (int k = 1; k < bins; k++) highest = fmaxf(highest, row[channel[k]]);
        float sum = 0.0f, weighted = 0.0f;
        for (int k = 0; k < bins; k++) {
            const float e = expf(row[channel[k]] - highest);
            sum += e;
            weighted = fmaf((float)k, e, weighted);
        }
        to[(p / plane * anchors + first + p % plane) * 4 + i % 4] = weighted / sum;
    }
}

// to[column][anchor]: the logits of an image and a class; `columns` has both for each column.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_class_columns(const float* z, int ld, const int* physical, const int* columns, float* to, int count, int plane, int first, int anchors) {
    for (size_t i = first_value(); i < (size_t)count * plane; i += value_step()) {
        const size_t column = i / plane, cell = i % plane;
        const size_t image = columns[2 * column];
        to[column * anchors + first + cell] = z[(image * plane + cell) * ld + physical[columns[2 * column + 1]]];
    }
}

// sums[b]: sum of ln(1 + e^x) over the logits that block b takes.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_softplus_sums(const float* z, int ld, const int* physical, int pixels, int channels, float* sums) {
    double sum = 0.0;
    for (size_t i = first_value(); i < (size_t)pixels * channels; i += value_step()) {
        const float x = z[i / channels * ld + physical[i % channels]];
        // A comparison, not `fmaxf`, which would drop NaN.
        sum += (double)((x > 0.0f ? x : 0.0f) + log1pf(expf(-fabsf(x))));
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) sums[blockIdx.x] = (float)sum;
}

// to[row][channel]: the logits of some pixels; `rows` has the pixel and the row of each.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_read_rows(const float* z, int ld, const int* physical, const int* rows, float* to, int count, int channels) {
    for (size_t i = first_value(); i < (size_t)count * channels; i += value_step()) {
        const size_t k = i / channels, c = i % channels;
        to[(size_t)rows[2 * k + 1] * channels + c] = z[(size_t)rows[2 * k] * ld + physical[c]];
    }
}

// The inverse of `bonsai_read_rows`.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_write_rows(float* dz, int ld, const int* physical, const int* rows, const float* from, int count, int channels) {
    for (size_t i = first_value(); i < (size_t)count * channels; i += value_step()) {
        const size_t k = i / channels, c = i % channels;
        dz[(size_t)rows[2 * k] * ld + physical[c]] = from[(size_t)rows[2 * k + 1] * channels + c];
    }
}

// dz = scale * sigmoid(z); `logical` has the channel of the array for each channel of dz, -1 for padding, which becomes 0.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_class_gradient(const float* z, int ldz, const int* physical, float* dz, int ldd, const int* logical, int pixels, int width, float scale) {
    for (size_t i = first_value(); i < (size_t)pixels * width; i += value_step()) {
        const size_t p = i / width;
        const int at = (int)(i % width), c = logical[at];
        dz[p * ldd + at] = c < 0 ? 0.0f : scale * sigmoid(z[p * ldz + physical[c]]);
    }
}

// Adds a term to one class of some pixels; no pixel occurs twice.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_class_terms(float* dz, int ld, const int* physical, const int* rows, const int* classes, const float* terms, int count) {
    for (size_t i = first_value(); i < (size_t)count; i += value_step()) {
        const size_t row = rows[2 * i + 1];
        dz[(size_t)rows[2 * i] * ld + physical[classes[row]]] += terms[row];
    }
}

// Gradient of the weights: rows are [tap][in], columns output channels, and the common dimension is the output pixels.
//
// There are few rows and columns and many pixels, so the pixels are divided into parts (blockIdx.z). Each part writes its
// own sums; `bonsai_add_parts` adds them in order.
#pragma once
#include "tile.cuh"

template <int BN, bool TF32> __device__ void conv_weight(Rows x, Rows dy, float* partials, int each, const Window& s) {
    constexpr int BM = VALUES / BN;
    const int rows = s.kh * s.kw * s.ic, m0 = blockIdx.x * BM, n0 = blockIdx.y * BN, pixels = s.n * s.oh * s.ow;
    const int first = blockIdx.z * each, last = min(pixels, first + each);
    const bool segments = s.ic % 4 == 0;
    const float4 zero = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    Product<BM, BN, TF32, AcrossK<BM>, AcrossK<BN>> product;
    product.run(first, last, [&](int p0) {
        product.a.load([&](int k, int column) {
            const int pixel = p0 + k;
            if (pixel >= last) return zero;
            const int image = pixel / (s.oh * s.ow), y = pixel / s.ow % s.oh * s.sh - s.ph, x0 = pixel % s.ow * s.sw - s.pw;
            const auto value = [&](int row) {
                const int tap = row / s.ic, iy = y + tap / s.kw, ix = x0 + tap % s.kw;
                const bool inside = row < rows && iy >= 0 && iy < s.ih && ix >= 0 && ix < s.iw;
                return inside ? x.place(((size_t)image * s.ih + iy) * s.iw + ix, row % s.ic) : OUTSIDE;
            };
            if (segments) {
                const size_t at = value(m0 + column);
                return at == OUTSIDE ? zero : x.load4(at);
            }
            return map4(zero, [&](float, int j) {
                const size_t at = value(m0 + column + j);
                return at == OUTSIDE ? 0.0f : x.load(at);
            });
        });
        product.b.load([&](int k, int column) {
            const bool inside = p0 + k < last && n0 + column < s.oc;
            return inside ? dy.load4(dy.place(p0 + k, n0 + column)) : zero;
        });
    });
    float* to = partials + (size_t)blockIdx.z * rows * s.oc;
    product.sum.each([&](int row, int column, float v) {
        if (m0 + row < rows && n0 + column < s.oc) to[(size_t)(m0 + row) * s.oc + n0 + column] = v;
    });
}

#define BONSAI_CONV_WEIGHT(NAME, BN, TF32)                                                                             \
    extern "C" __global__ void __launch_bounds__(THREADS) bonsai_conv_weight_##NAME(Rows x, Rows dy, float* partials, int each, Window s) { \
        conv_weight<BN, TF32>(x, dy, partials, each, s);                                                               \
    }
BONSAI_VARIANTS(BONSAI_CONV_WEIGHT)

// to += the sum of all parts, in order.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_add_parts(const float* partials, int parts, float* to, int len) {
    for (size_t i = first_value(); i < (size_t)len; i += value_step()) {
        float sum = partials[i];
        for (int p = 1; p < parts; p++) sum += partials[(size_t)p * len + i];
        to[i] += sum;
    }
}

// Gradient of the input: rows are input pixels, columns input channels, and the common dimension is [tap][out].
//
// With a stride, an input pixel is read through a part of the taps only, and the part depends on its position modulo the
// stride. Each such class of pixels is a product of its own (blockIdx.z), over its own taps.
#pragma once
#include "tile.cuh"

// One axis of a class: pixels first, first + stride, ..., and taps tap, tap + stride, ...
struct Class {
    int first, count, tap, taps;
    __device__ Class(int remainder, int size, int kernel, int stride, int padding)
        : first(remainder), count(size > remainder ? (size - remainder + stride - 1) / stride : 0),
          tap((remainder + padding) % stride), taps(kernel > tap ? (kernel - tap + stride - 1) / stride : 0) {}
};

template <int BN, bool TF32> __device__ void conv_input(Rows dy, const float* w, Rows dx, int accumulate, const Window& s) {
    constexpr int BM = VALUES / BN;
    using A = AlongK<BM>;
    const Class rows(blockIdx.z / s.sw, s.ih, s.kh, s.sh, s.ph), columns(blockIdx.z % s.sw, s.iw, s.kw, s.sw, s.pw);
    const int m0 = blockIdx.x * BM, n0 = blockIdx.y * BN, pixels = s.n * rows.count * columns.count;
    // Classes differ in size, and the grid has blocks for the largest.
    if (m0 >= pixels) return;
    const int depth = rows.taps * columns.taps * s.oc;
    const auto locate = [&](int pixel, int& image, int& iy, int& ix) {
        image = pixel / (rows.count * columns.count);
        iy = rows.first + pixel / columns.count % rows.count * s.sh;
        ix = columns.first + pixel % columns.count * s.sw;
    };
    Product<BM, BN, TF32, A, AlongK<BN>> product;
    int image[A::LOADS], iy[A::LOADS], ix[A::LOADS];
    _Pragma("unroll") for (int i = 0; i < A::LOADS; i++) locate(m0 + A::row(i), image[i], iy[i], ix[i]);
    product.run(0, depth, [&](int k0) {
        const float4 zero = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        // Channels of a tap are whole segments, so four neighbours belong to one tap.
        product.a.load([&](int i, int row, int k) {
            k += k0;
            const int part = k / s.oc, ky = rows.tap + part / max(columns.taps, 1) * s.sh, kx = columns.tap + part % max(columns.taps, 1) * s.sw;
            const int oy = (iy[i] + s.ph - ky) / s.sh, ox = (ix[i] + s.pw - kx) / s.sw;
            const bool inside = k < depth && m0 + row < pixels && iy[i] + s.ph >= ky && ix[i] + s.pw >= kx && oy < s.oh && ox < s.ow;
            return inside ? dy.load4(dy.place(((size_t)image[i] * s.oh + oy) * s.ow + ox, k % s.oc)) : zero;
        });
        product.b.load([&](int, int column, int k) {
            k += k0;
            const int part = k / s.oc, ky = rows.tap + part / max(columns.taps, 1) * s.sh, kx = columns.tap + part % max(columns.taps, 1) * s.sw;
            const bool inside = k < depth && n0 + column < s.ic;
            return inside ? load4(w + ((size_t)(ky * s.kw + kx) * s.ic + n0 + column) * s.oc + k % s.oc) : zero;
        });
    });
    product.sum.each([&](int row, int column, float v) {
        const int pixel = m0 + row, c = n0 + column;
        if (pixel >= pixels || c >= s.ic) return;
        int image, iy, ix;
        locate(pixel, image, iy, ix);
        dx.put(dx.place(((size_t)image * s.ih + iy) * s.iw + ix, c), v, accumulate);
    });
}

#define BONSAI_CONV_INPUT(NAME, BN, TF32)                                                                              \
    extern "C" __global__ void __launch_bounds__(THREADS) bonsai_conv_input_##NAME(Rows dy, const float* w, Rows dx, int accumulate, Window s) { \
        conv_input<BN, TF32>(dy, w, dx, accumulate, s);                                                                \
    }
BONSAI_VARIANTS(BONSAI_CONV_INPUT)

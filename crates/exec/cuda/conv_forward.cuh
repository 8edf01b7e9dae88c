// Convolution as an implicit matrix product: rows are output pixels, columns output channels, and the common dimension is
// [tap][in], as in the weights.
#pragma once
#include "tile.cuh"

// Steps after a convolution: bias, SiLU, residual. Null pointers are left out.
struct Finish {
    const float* bias;
    Rows residual;
    int act;
    __device__ float apply(float v, size_t pixel, int c) const {
        if (bias) v += bias[c];
        if (act) v = silu(v);
        if (residual) v += residual.load(residual.place(pixel, c));
        return v;
    }
};

// The pixel of an input row that an output pixel begins at, for one row of A.
struct Corner {
    int image, y, x;
    __device__ Corner() {}
    __device__ Corner(int pixel, const Window& s)
        : image(pixel / (s.oh * s.ow)), y(pixel / s.ow % s.oh * s.sh - s.ph), x(pixel % s.ow * s.sw - s.pw) {}
};

template <int BN, bool TF32> __device__ void conv_forward(Rows x, const float* w, Rows y, Finish finish, const Window& s) {
    constexpr int BM = VALUES / BN;
    using A = AlongK<BM>;
    const int m0 = blockIdx.x * BM, n0 = blockIdx.y * BN, pixels = s.n * s.oh * s.ow, depth = s.kh * s.kw * s.ic;
    Product<BM, BN, TF32, A, AcrossK<BN>> product;
    Corner corner[A::LOADS];
    _Pragma("unroll") for (int i = 0; i < A::LOADS; i++) corner[i] = Corner(m0 + A::row(i), s);
    const auto value = [&](const Corner& at, int k) {
        const int tap = k / s.ic, iy = at.y + tap / s.kw, ix = at.x + tap % s.kw;
        const bool inside = k < depth && iy >= 0 && iy < s.ih && ix >= 0 && ix < s.iw;
        return inside ? x.place(((size_t)at.image * s.ih + iy) * s.iw + ix, k % s.ic) : OUTSIDE;
    };
    // Only dense images have channels that are not whole segments.
    const bool segments = s.ic % 4 == 0;
    product.run(0, depth, [&](int k0) {
        product.a.load([&](int i, int row, int k) {
            float4 v = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
            if (m0 + row >= pixels) return v;
            if (segments) {
                const size_t at = value(corner[i], k0 + k);
                return at == OUTSIDE ? v : x.load4(at);
            }
            return map4(v, [&](float, int j) {
                const size_t at = value(corner[i], k0 + k + j);
                return at == OUTSIDE ? 0.0f : x.load(at);
            });
        });
        product.b.load([&](int k, int column) {
            const bool inside = k0 + k < depth && n0 + column < s.oc;
            return inside ? load4(w + (size_t)(k0 + k) * s.oc + n0 + column) : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        });
    });
    product.sum.each([&](int row, int column, float v) {
        const int pixel = m0 + row, c = n0 + column;
        if (pixel < pixels && c < s.oc) y.store(y.place(pixel, c), finish.apply(v, pixel, c));
    });
}

#define BONSAI_CONV_FORWARD(NAME, BN, TF32)                                                                            \
    extern "C" __global__ void __launch_bounds__(THREADS) bonsai_conv_forward_##NAME(Rows x, const float* w, Rows y, const float* bias, Rows residual, int act, Window s) { \
        conv_forward<BN, TF32>(x, w, y, Finish{bias, residual, act}, s);                                               \
    }
BONSAI_VARIANTS(BONSAI_CONV_FORWARD)

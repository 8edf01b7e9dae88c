// Convolution in which every channel has its own window, both ways. Weights are [tap][channel].
#pragma once
#include "conv_forward.cuh"
#include "sums.cuh"

extern "C" __global__ void __launch_bounds__(THREADS) bonsai_depthwise(const float* x, int ldx, const float* w, float* y, int ldy, const float* bias, const float* residual, int ldr, int act, Window s) {
    for (size_t i = first_value(); i < (size_t)s.n * s.oh * s.ow * s.oc; i += value_step()) {
        const int c = (int)(i % s.oc);
        const size_t p = i / s.oc;
        const Corner at((int)p, s);
        float sum = 0.0f;
        for (int tap = 0; tap < s.kh * s.kw; tap++) {
            const int iy = at.y + tap / s.kw, ix = at.x + tap % s.kw;
            if (iy < 0 || iy >= s.ih || ix < 0 || ix >= s.iw) continue;
            sum = fmaf(x[(((size_t)at.image * s.ih + iy) * s.iw + ix) * ldx + c], w[tap * s.oc + c], sum);
        }
        if (bias) sum += bias[c];
        if (act) sum = silu(sum);
        if (residual) sum += residual[p * ldr + c];
        y[p * ldy + c] = sum;
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) bonsai_depthwise_input(const float* dy, int ldy, const float* w, float* dx, int ldx, int accumulate, Window s) {
    for (size_t i = first_value(); i < (size_t)s.n * s.ih * s.iw * s.ic; i += value_step()) {
        const int c = (int)(i % s.ic);
        const size_t p = i / s.ic;
        const int ix = (int)(p % s.iw), iy = (int)(p / s.iw % s.ih), image = (int)(p / s.iw / s.ih);
        float sum = 0.0f;
        for (int ky = 0; ky < s.kh; ky++) {
            for (int kx = 0; kx < s.kw; kx++) {
                const int y = iy + s.ph - ky, x = ix + s.pw - kx;
                if (y < 0 || x < 0 || y % s.sh || x % s.sw || y / s.sh >= s.oh || x / s.sw >= s.ow) continue;
                const size_t q = ((size_t)image * s.oh + y / s.sh) * s.ow + x / s.sw;
                sum = fmaf(dy[q * ldy + c], w[(ky * s.kw + kx) * s.ic + c], sum);
            }
        }
        float* to = dx + p * ldx + c;
        *to = accumulate ? *to + sum : sum;
    }
}

// partials[part][tap][channel]: sums over a part of the output pixels (blockIdx.x) for one tap (blockIdx.z).
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_depthwise_weight(const float* x, int ldx, const float* dy, int ldy, float* partials, int each, Window s) {
    const Part part(s.n * s.oh * s.ow, each);
    const int c = part.channel, tap = blockIdx.z;
    float sum = 0.0f;
    if (c < s.oc) {
        for (int p = part.first; p < part.end; p += LANES) {
            const Corner at(p, s);
            const int iy = at.y + tap / s.kw, ix = at.x + tap % s.kw;
            if (iy < 0 || iy >= s.ih || ix < 0 || ix >= s.iw) continue;
            sum = fmaf(x[(((size_t)at.image * s.ih + iy) * s.iw + ix) * ldx + c], dy[(size_t)p * ldy + c], sum);
        }
    }
    sum = column_sum(sum);
    if (part.is_lane_0() && c < s.oc) partials[((size_t)part.index * s.kh * s.kw + tap) * s.oc + c] = sum;
}

// candle's sources name the 8-bit type; nothing here computes with it.
#pragma once
#include "cuda_fp16.h"

enum { __NV_E4M3 };
struct __nv_fp8_e4m3 {
    unsigned char __x;
    __nv_fp8_e4m3() = default;
    explicit __nv_fp8_e4m3(float) { refuse(); }
    operator float() const { return refuse(); }
    static float refuse() {
        assert(!"8-bit floats are not implemented on the host");
        abort();
    }
};
inline __half __nv_cvt_fp8_to_halfraw(unsigned char, int) { return __nv_fp8_e4m3::refuse(); }

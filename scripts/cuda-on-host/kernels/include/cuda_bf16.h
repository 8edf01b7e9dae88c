// bfloat16: the upper half of a float, computed in float, rounded to nearest even.
#pragma once

struct __nv_bfloat16 {
    unsigned short bits;
    __nv_bfloat16() = default;
    __nv_bfloat16(float v) : bits(rounded(v)) {}
    operator float() const { return host::bits<float>((unsigned)bits << 16); }

  private:
    static unsigned short rounded(float v) {
        const unsigned u = host::bits<unsigned>(v);
        if ((u & 0x7fffffffu) > 0x7f800000u) return (unsigned short)(u >> 16 | 0x40u);  // stays NaN
        return (unsigned short)((u + 0x7fffu + (u >> 16 & 1)) >> 16);
    }
};

inline float __bfloat162float(__nv_bfloat16 v) { return v; }
inline __nv_bfloat16 __float2bfloat16(float v) { return v; }

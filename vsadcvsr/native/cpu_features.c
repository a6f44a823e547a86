/* What vsadcvsr.backends.cpu_features asks of the processor, through ctypes. */
#include <VapourSynth4.h>

enum { AVX2 = 1, VNNI = 2, AMX_BF16 = 4, AMX_INT8 = 8, INTEL = 16, AVX512 = 32 };

#if defined(__x86_64__)

#include <cpuid.h>

enum { YMM = 0x6, ZMM = 0xe6, TILES = 0x60000 }; /* bits of XCR0: registers that the system saves */

/* The registers that the system saves for each thread; without them their instructions fail. */
static unsigned saved_registers(void)
{
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static int has(unsigned value, int bit)
{
    return value >> bit & 1;
}

/* cpu_features(): a sum of the numbers above, by the bits of CPUID (Intel 64 and IA-32 Architectures Software Developer's Manual, volume
   2A, CPUID). VNNI is that of AVX-512 or of AVX. */
VS_EXTERNAL_API(int)
adcvsr_cpu_features(void)
{
    unsigned a, b, c, d, last, vendor, more;
    if (!__get_cpuid(0, &last, &vendor, &c, &d) || !__get_cpuid(1, &a, &b, &c, &d) || !has(c, 27 /* OSXSAVE */))
        return 0;
    int features = vendor == signature_INTEL_ebx ? INTEL : 0;
    const unsigned saved = saved_registers();
    if (!__get_cpuid_count(7, 0, &last, &b, &c, &d))
        return features;
    if ((saved & YMM) == YMM && has(b, 5))
        features |= AVX2;
    if ((saved & ZMM) == ZMM)
        features |= (has(b, 16) ? AVX512 : 0) | (has(c, 11) ? VNNI : 0);
    if ((saved & TILES) == TILES)
        features |= (has(d, 22) ? AMX_BF16 : 0) | (has(d, 25) ? AMX_INT8 : 0);
    if (last && (features & AVX2) && __get_cpuid_count(7, 1, &more, &b, &c, &d) && has(more, 4))
        features |= VNNI;
    return features;
}

#else

VS_EXTERNAL_API(int)
adcvsr_cpu_features(void)
{
    return 0;
}

#endif

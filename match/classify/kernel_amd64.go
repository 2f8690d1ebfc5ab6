package classify

import "golang.org/x/sys/cpu"

// vectors says whether this processor has what kernel_amd64.s uses.
func vectors() bool { return cpu.X86.HasAVX2 && cpu.X86.HasFMA }

// blockVector is block. All its arguments must be as long as block makes them.
//
//go:noescape
func blockVector(to, from, weights, bias *float32, count, stride, step int, low, high float32)

// pixelVector is pixel; count is a multiple of 16, the length of every tap.
//
//go:noescape
func pixelVector(to *float32, taps *[9][]float32, weights, bias *float32, count int)

//go:build !amd64

package classify

// vectors: there are none for this processor.
func vectors() bool { return false }

func blockVector(to, from, weights, bias *float32, count, stride, step int, low, high float32) {
	panic("no vector kernel")
}

func pixelVector(to *float32, taps *[9][]float32, weights, bias *float32, count int) {
	panic("no vector kernel")
}

package strip

// head reads the frame header up to the number of partitions (RFC 6386 sections
// 9.2 to 9.5).
func (d *vp8) head() {
	r := &d.modes
	r.uint(2) // colour space and clamping
	d.segment = [3]byte{255, 255, 255}
	if r.bit(128) {
		d.mapped = r.bit(128)
		if r.bit(128) {
			r.bit(128)
			for range 4 {
				r.skip(7)
			}
			for range 4 {
				r.skip(6)
			}
		}
		for i := range d.segment {
			if d.mapped && r.bit(128) {
				d.segment[i] = byte(r.uint(8))
			}
		}
	}
	r.uint(1 + 6 + 3) // the loop filter's kind, level and sharpness
	if deltas := r.bit(128); deltas {
		if update := r.bit(128); update {
			for range 8 {
				r.skip(6)
			}
		}
	}
	d.many = 1 << r.uint(2)
}

// probabilities reads the rest of the frame header (sections 9.6 to 9.11).
func (d *vp8) probabilities() {
	r := &d.modes
	r.uint(7)
	for range 5 {
		r.skip(4)
	}
	r.bit(128)
	for i := range d.probs {
		if r.bit(vp8Updates[i]) {
			d.probs[i] = byte(r.uint(8))
		}
	}
	if d.canSkip = r.bit(128); d.canSkip {
		d.skip = byte(r.uint(8))
	}
}

// block walks one macroblock: its modes, and its coefficients unless they are
// skipped.
func (d *vp8) block(above *vp8Context, tokens *boolReader) {
	r := &d.modes
	if d.mapped {
		if r.bit(d.segment[0]) {
			r.bit(d.segment[2])
		} else {
			r.bit(d.segment[1])
		}
	}
	skipped := d.canSkip && r.bit(d.skip)
	whole := r.bit(145) // one mode for all of Y, and then a block Y2
	if whole {
		mode := vp8WholeMode(r)
		for i := range 4 {
			above.mode[i], d.left.mode[i] = mode, mode
		}
	} else {
		for y := range 4 {
			mode := d.left.mode[y]
			for x := range 4 {
				mode = vp8Mode(r, vp8Modes[9*(10*int(above.mode[x])+int(mode)):])
				above.mode[x] = mode
			}
			d.left.mode[y] = mode
		}
	}
	if r.bit(142) && r.bit(114) { // the mode of U and V
		r.bit(183)
	}
	if !skipped {
		d.coefficients(above, tokens, whole)
		return
	}
	clear(above.nonzero[:8])
	clear(d.left.nonzero[:8])
	if whole {
		above.nonzero[8], d.left.nonzero[8] = 0, 0
	}
}

// The modes, numbered as vp8Modes has them.
const (
	modeDC = iota
	modeTM
	modeVE
	modeHE
	modeRD
	modeVR
	modeLD
	modeVL
	modeHD
	modeHU
)

// vp8WholeMode reads the mode of a block of 16x16 (section 11.2).
func vp8WholeMode(r *boolReader) byte {
	if !r.bit(156) {
		if !r.bit(163) {
			return modeDC
		}
		return modeVE
	}
	if !r.bit(128) {
		return modeHE
	}
	return modeTM
}

// vp8Mode reads the mode of a block of 4x4 (section 11.3).
func vp8Mode(r *boolReader, p string) byte {
	switch {
	case !r.bit(p[0]):
		return modeDC
	case !r.bit(p[1]):
		return modeTM
	case !r.bit(p[2]):
		return modeVE
	case !r.bit(p[3]):
		switch {
		case !r.bit(p[4]):
			return modeHE
		case !r.bit(p[5]):
			return modeRD
		}
		return modeVR
	case !r.bit(p[6]):
		return modeLD
	case !r.bit(p[7]):
		return modeVL
	case !r.bit(p[8]):
		return modeHD
	}
	return modeHU
}

// coefficients walks the 24 or 25 blocks of coefficients (section 13).
func (d *vp8) coefficients(above *vp8Context, r *boolReader, whole bool) {
	a, l := &above.nonzero, &d.left.nonzero
	plane, from := 3, 0 // Y with its first coefficient
	if whole {
		n := d.residual(r, 1, a[8]+l[8], 0)
		a[8], l[8] = n, n
		plane, from = 0, 1
	}
	for y := range 4 {
		for x := range 4 {
			n := d.residual(r, plane, a[x]+l[y], from)
			a[x], l[y] = n, n
		}
	}
	for c := 4; c < 8; c += 2 { // U and V
		for y := c; y < c+2; y++ {
			for x := c; x < c+2; x++ {
				n := d.residual(r, 2, a[x]+l[y], 0)
				a[x], l[y] = n, n
			}
		}
	}
}

// vp8Bands is the band of each coefficient; the last is for what follows it.
const vp8Bands = "\x00\x01\x02\x03\x06\x04\x05\x06\x06\x06\x06\x06\x06\x06\x06\x07\x00"

// vp8Extra are the probabilities of the bits of the large values (section 13.2).
var vp8Extra = [4]string{"\xad\x94\x8c", "\xb0\x9b\x8c\x87", "\xb4\x9d\x8d\x86\x82",
	"\xfe\xfe\xf3\xe6\xc4\xb1\x99\x8c\x85\x82\x81"}

// residual walks one block and says whether it had a coefficient: 0 or 1.
func (d *vp8) residual(r *boolReader, plane int, context byte, n int) byte {
	at := func(n, context int) []byte {
		i := ((plane*8+int(vp8Bands[n]))*3 + context) * 11
		return d.probs[i : i+11]
	}
	p := at(n, int(context))
	if !r.bit(p[0]) {
		return 0
	}
	for n != 16 {
		n++
		if !r.bit(p[1]) {
			p = at(n, 0)
			continue
		}
		if !r.bit(p[2]) {
			p = at(n, 1)
		} else {
			vp8Large(r, p)
			p = at(n, 2)
		}
		r.bit(128) // the sign
		if n == 16 || !r.bit(p[0]) {
			return 1
		}
	}
	return 1
}

// vp8Large walks a value above 1.
func vp8Large(r *boolReader, p []byte) {
	switch {
	case !r.bit(p[3]):
		if r.bit(p[4]) {
			r.bit(p[5])
		}
	case !r.bit(p[6]):
		if !r.bit(p[7]) {
			r.bit(159)
		} else {
			r.bit(165)
			r.bit(145)
		}
	default:
		category := 0
		if r.bit(p[8]) {
			category = 2
			if r.bit(p[10]) {
				category = 3
			}
		} else if r.bit(p[9]) {
			category = 1
		}
		for _, prob := range []byte(vp8Extra[category]) {
			r.bit(prob)
		}
	}
}

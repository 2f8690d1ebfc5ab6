package match

import (
	"image"
	"image/color"
)

// colourAt gives a pixel's red, green and blue at a place within a picture.
type colourAt func(x, y int) (r, g, b uint8)

// straight gives colours without regard to alpha.
func straight(img image.Image) colourAt {
	at := nrgbaAt(img)
	return func(x, y int) (r, g, b uint8) {
		c := at(x, y)
		return c.R, c.G, c.B
	}
}

// over gives colours as they look on a grey background, 0 black to 255 white.
func over(img image.Image, background uint8) colourAt {
	at := nrgbaAt(img)
	mix := func(c, a uint8) uint8 {
		return uint8((int(c)*int(a) + int(background)*(255-int(a)) + 127) / 255)
	}
	return func(x, y int) (r, g, b uint8) {
		c := at(x, y)
		return mix(c.R, c.A), mix(c.G, c.A), mix(c.B, c.A)
	}
}

// nrgbaAt reads pixels; what the decoders give has paths of its own, since the
// general one is ten times slower.
func nrgbaAt(img image.Image) func(x, y int) color.NRGBA {
	switch m := img.(type) {
	case *image.YCbCr:
		return func(x, y int) color.NRGBA {
			i, j := m.YOffset(x, y), m.COffset(x, y)
			r, g, b := color.YCbCrToRGB(m.Y[i], m.Cb[j], m.Cr[j])
			return color.NRGBA{r, g, b, 255}
		}
	case *image.NRGBA:
		return m.NRGBAAt
	case *image.Gray:
		return func(x, y int) color.NRGBA {
			v := m.Pix[m.PixOffset(x, y)]
			return color.NRGBA{v, v, v, 255}
		}
	case *image.Paletted:
		var palette [256]color.NRGBA
		for i, c := range m.Palette {
			palette[i] = color.NRGBAModel.Convert(c).(color.NRGBA)
		}
		return func(x, y int) color.NRGBA { return palette[m.Pix[m.PixOffset(x, y)]] }
	case *image.RGBA:
		return func(x, y int) color.NRGBA {
			c := m.RGBAAt(x, y)
			if c.A == 255 {
				return color.NRGBA(c)
			}
			return color.NRGBAModel.Convert(c).(color.NRGBA)
		}
	}
	return func(x, y int) color.NRGBA { return color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA) }
}

// opaque says whether alpha plays no part in how a picture looks.
func opaque(img image.Image) bool {
	m, ok := img.(interface{ Opaque() bool })
	return ok && m.Opaque()
}

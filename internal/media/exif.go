package media

import "encoding/binary"

const (
	tagOrientation = 0x0112
	exifShort      = 3
)

// orientation reads how a camera was held from an EXIF block: 1 is upright. Whatever is not understood is upright.
func orientation(exif []byte) int {
	var order binary.ByteOrder
	switch {
	case len(exif) < 8:
		return 1
	case string(exif[:4]) == "II*\x00":
		order = binary.LittleEndian
	case string(exif[:4]) == "MM\x00*":
		order = binary.BigEndian
	default:
		return 1
	}
	first := uint64(order.Uint32(exif[4:]))
	if first+2 > uint64(len(exif)) {
		return 1
	}
	entries := exif[first+2:]
	for range order.Uint16(exif[first:]) {
		if len(entries) < 12 {
			break
		}
		if order.Uint16(entries) == tagOrientation && order.Uint16(entries[2:]) == exifShort && order.Uint32(entries[4:]) == 1 {
			if o := int(order.Uint16(entries[8:])); o >= 1 && o <= 8 {
				return o
			}
			break
		}
		entries = entries[12:]
	}
	return 1
}

#!/bin/bash
# Makes the media of testdata/media and testdata/bad anew with FFmpeg (5.1 was used; libx264,
# libx265, libmp3lame, libopus, libvorbis, libvpx, libaom). Pictures are FFmpeg's testsrc2, sounds are
# its sine. Nothing here is anyone's recording. Another version of an encoder writes other bytes; the
# tests compare what arrives with what is in the file, so they do not mind.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p media bad live

ff() { ffmpeg -hide_banner -loglevel error -nostdin -y "$@"; }

exact=(-fflags +bitexact -flags:v +bitexact -flags:a +bitexact -map_metadata -1)
video() { echo "testsrc2=size=320x180:rate=25:duration=$1"; }
# Two tones, so that the channels differ.
stereo() { echo "sine=frequency=440:sample_rate=$1:duration=$2[l];sine=frequency=660:sample_rate=$1:duration=$2[r];[l][r]amerge=inputs=2"; }
mono() { echo "sine=frequency=440:sample_rate=$1:duration=$2"; }

x264=(-c:v libx264 -preset medium -crf 30 -pix_fmt yuv420p -threads 1)
x265=(-c:v libx265 -preset medium -crf 32 -pix_fmt yuv420p)
x265p="log-level=error:pools=none:frame-threads=1:keyint=25:min-keyint=25:scenecut=0"

# Elementary video streams: 5 s, a key frame each second.
ff -f lavfi -i "$(video 5)" "${x264[@]}" -g 25 -bf 3 -b_strategy 0 "${exact[@]}" -f h264 media/bframes.h264
ff -f lavfi -i "$(video 5)" "${x264[@]}" -g 25 -bf 0 -x264-params slices=4:aud=1:scenecut=0 \
    "${exact[@]}" -f h264 media/slices.264
ff -f lavfi -i "$(video 5)" "${x265[@]}" -x265-params "$x265p:bframes=3:b-adapt=0:open-gop=0" \
    "${exact[@]}" -f hevc media/bframes.h265
ff -f lavfi -i "$(video 4)" "${x265[@]}" -x265-params "$x265p:bframes=0:aud=1:slices=2:repeat-headers=1" \
    "${exact[@]}" -f hevc media/slices.265

# Sound.
ff -f lavfi -i "$(stereo 44100 5)" -c:a aac -b:a 64k "${exact[@]}" -f adts media/stereo.aac
ff -f lavfi -i "$(stereo 44100 5)" -c:a libmp3lame -q:a 4 -id3v2_version 3 -metadata title=tones \
    -fflags +bitexact -flags:a +bitexact -f mp3 media/vbr.mp3
ff -f lavfi -i "$(mono 22050 5)" -c:a libmp3lame -b:a 32k -write_xing 0 -id3v2_version 0 "${exact[@]}" \
    -f mp3 media/cbr.mp3
ff -f lavfi -i "$(stereo 48000 5)" -c:a mp2 -b:a 96k "${exact[@]}" -f mp2 media/layer2.mp2
ff -f lavfi -i "$(stereo 44100 4)" -c:a pcm_s16le "${exact[@]}" media/pcm16.wav
ff -f lavfi -i "$(stereo 24000 4)" -c:a pcm_s24le "${exact[@]}" media/pcm24.wav
ff -f lavfi -i "$(mono 11025 4)" -c:a pcm_u8 "${exact[@]}" media/pcm8.wav
ff -f lavfi -i "$(mono 8000 5)" -c:a pcm_mulaw "${exact[@]}" media/mulaw.wav
ff -f lavfi -i "$(mono 8000 5)" -c:a pcm_alaw "${exact[@]}" media/alaw.wav

# Transport streams.
av=(-f lavfi -i "$(video 5)" -f lavfi -i "$(stereo 44100 5)" -map 0:v -map 1:a)
aac=(-c:a aac -b:a 64k)
ff "${av[@]}" "${x264[@]}" -g 25 -bf 2 "${aac[@]}" "${exact[@]}" -f mpegts media/program.ts
ff "${av[@]}" "${x264[@]}" -g 25 -bf 0 "${aac[@]}" "${exact[@]}" -f mpegts -mpegts_m2ts_mode 1 \
    media/program.m2ts

# MPEG-1 and MPEG-2 video: a key picture every 12, two B pictures in a row. The same pictures alone,
# in program streams, and in a transport stream.
tiny() { echo "testsrc2=size=160x96:rate=25:duration=2"; }
mpeg2=(-c:v mpeg2video -q:v 20 -g 12 -bf 2 -threads 1)
mpeg1=(-c:v mpeg1video -q:v 20 -g 12 -bf 2 -threads 1)
with=(-f lavfi -i "$(tiny)" -f lavfi -i "$(stereo 48000 2)" -map 0:v -map 1:a)
ff -f lavfi -i "$(tiny)" "${mpeg2[@]}" "${exact[@]}" -f mpeg2video media/pictures.m2v
ff -f lavfi -i "$(tiny)" "${mpeg1[@]}" "${exact[@]}" -f mpeg1video media/pictures.m1v
ff "${with[@]}" "${mpeg1[@]}" -c:a mp2 -b:a 64k "${exact[@]}" -f mpeg media/mpeg1.mpg
ff "${with[@]}" "${mpeg2[@]}" -c:a mp2 -b:a 64k "${exact[@]}" -f svcd media/mpeg2.mpeg
ff "${with[@]}" "${mpeg2[@]}" -c:a ac3 -b:a 64k "${exact[@]}" -f vob media/disc.vob
ff "${with[@]}" "${mpeg2[@]}" -c:a ac3 -b:a 64k "${exact[@]}" -f mpegts media/broadcast.ts

# Sound and pictures in files of nothing else. FFmpeg has no encoder of AMR, GStreamer has.
ff -f lavfi -i "$(stereo 48000 2)" -c:a ac3 -b:a 64k "${exact[@]}" -f ac3 media/tones.ac3
ff -f lavfi -i "$(stereo 48000 2)" -c:a eac3 -b:a 64k "${exact[@]}" -f eac3 media/tones.eac3
ff -f lavfi -i "$(mono 16000 2)" -c:a g722 "${exact[@]}" -f g722 media/tone.g722
gst() { gst-launch-1.0 -q audiotestsrc num-buffers=100 samplesperbuffer="$1" ! "audio/x-raw,rate=$2,channels=1" ! "$3" ! fdsink fd=1 | cat; }
(printf '#!AMR\n'; gst 160 8000 amrnbenc) > media/tone.amr
(printf '#!AMR-WB\n'; gst 320 16000 voamrwbenc) > media/tone.awb
ff -f lavfi -i "testsrc2=size=160x96:rate=25:duration=1" -c:v mjpeg -q:v 25 -huffman default \
    -pix_fmt yuvj420p -threads 1 "${exact[@]}" -f mjpeg media/pictures.mjpeg

# Matroska.
ff "${av[@]}" "${x264[@]}" -g 25 -bf 3 -b_strategy 0 "${aac[@]}" "${exact[@]}" -f matroska media/h264_aac.mkv
ff "${av[@]}" "${x265[@]}" -x265-params "$x265p:bframes=2" -c:a libmp3lame -b:a 64k "${exact[@]}" \
    -f matroska media/h265_mp3.mkv
ff -f lavfi -i "$(video 4)" -f lavfi -i "$(stereo 16000 4)" -map 0:v -map 1:a \
    "${x264[@]}" -g 25 -bf 0 -c:a pcm_s16le "${exact[@]}" -f matroska media/h264_pcm.mkv
ff -f lavfi -i "$(video 4)" -f lavfi -i "$(stereo 48000 4)" -map 0:v -map 1:a \
    "${x264[@]}" -g 25 -bf 2 -c:a libopus -b:a 32k "${exact[@]}" -f matroska media/h264_opus.mkv
# Written to a pipe: no Cues, no duration, clusters of unknown size.
ff -f lavfi -i "$(video 4)" -f lavfi -i "$(mono 44100 4)" -map 0:v -map 1:a \
    "${x264[@]}" -g 25 -bf 2 "${aac[@]}" "${exact[@]}" -f matroska -cluster_time_limit 1000 - \
    | cat > media/no_cues.mkv
# As some browsers record: H.264 in WebM, which FFmpeg does not write under that name.
ff -f lavfi -i "$(video 3)" -f lavfi -i "$(mono 48000 3)" -map 0:v -map 1:a \
    "${x264[@]}" -g 25 -bf 0 -c:a libopus -b:a 24k "${exact[@]}" -f matroska - \
    | LC_ALL=C sed '1s/matroska/webm\x00\x00\x00\x00/' > media/video.webm
ff -f lavfi -i "$(video 2)" -f lavfi -i "$(mono 44100 2)" -map 0:v -map 1:a \
    "${x264[@]}" -g 25 -bf 2 "${aac[@]}" "${exact[@]}" -f matroska "media/a file.mkv"

# MP4 and QuickTime, each a different twist, from the same streams as the Matroska files so that the
# tests can compare the frames.
copy=(-c copy "${exact[@]}")
# The movie behind the media.
ff -i media/h264_aac.mkv "${copy[@]}" -f mp4 media/h264_aac.mp4
ff -i media/h265_mp3.mkv "${copy[@]}" -tag:v hvc1 -movflags +faststart -f mp4 media/h265_mp3.m4v
ff -i media/h264_pcm.mkv "${copy[@]}" -f mov media/h264_pcm.mov
ff -i media/stereo.aac "${copy[@]}" -bsf:a aac_adtstoasc -f ipod media/tones.m4a
ff -i media/no_cues.mkv "${copy[@]}" -f 3gp media/phone.3gp
# Fragments with an index at the end; the first of them in the movie box, offsets from the start of
# the file.
ff -i media/h264_aac.mkv "${copy[@]}" -movflags frag_keyframe -f mp4 media/fragments.mp4
# Fragments with an index in front, and negative composition offsets.
ff -i media/h265_mp3.mkv -i media/h264_aac.mkv -map 0:v -map 1:a "${copy[@]}" -tag:v hev1 \
    -movflags dash+global_sidx+negative_cts_offsets -f mp4 media/index.mp4
# Written to a pipe: no index.
ff -i media/h264_pcm.mkv -map 0:v "${copy[@]}" -movflags frag_keyframe+empty_moov+default_base_moof \
    -f mp4 - | cat > media/pipe.mp4

# Other codecs, 2 s of a small picture with a key frame each second; each in several containers, so
# that the tests can compare the frames. Where the codec can, pictures are reordered or hidden.
small=(-f lavfi -i "testsrc2=size=160x90:rate=25:duration=2")
with48k=(-f lavfi -i "$(stereo 48000 2)" -map 0:v -map 1:a)
yuv=(-pix_fmt yuv420p -g 25 -threads 1)
opus=(-c:a libopus -b:a 32k)
ff "${small[@]}" "${with48k[@]}" -c:v libvpx -b:v 60k "${yuv[@]}" -c:a libvorbis -q:a 0 "${exact[@]}" \
    -f webm media/vp8_vorbis.webm
ff "${small[@]}" "${with48k[@]}" -c:v libvpx-vp9 -b:v 60k -cpu-used 5 -auto-alt-ref 1 -lag-in-frames 12 \
    "${yuv[@]}" "${opus[@]}" "${exact[@]}" -f webm media/vp9_opus.webm
ff "${small[@]}" "${with48k[@]}" -c:v libaom-av1 -b:v 60k -cpu-used 6 -lag-in-frames 12 "${yuv[@]}" \
    "${opus[@]}" "${exact[@]}" -f matroska media/av1_opus.mkv
ff "${small[@]}" "${with48k[@]}" -c:v mpeg4 -q:v 20 -bf 2 "${yuv[@]}" -c:a ac3 -b:a 64k "${exact[@]}" \
    -f matroska media/mpeg4_ac3.mkv
ff "${small[@]}" "${with48k[@]}" -c:v mpeg2video -q:v 20 -bf 2 "${yuv[@]}" -c:a eac3 -b:a 64k "${exact[@]}" \
    -f matroska media/mpeg2_eac3.mkv
ff -f lavfi -i "testsrc2=size=160x90:rate=10:duration=2" -c:v mjpeg -q:v 20 -huffman default -pix_fmt yuvj420p -threads 1 \
    "${exact[@]}" -f matroska media/jpeg.mkv
ff -i media/vp9_opus.webm "${copy[@]}" -f mp4 media/vp9_opus.mp4
ff -i media/av1_opus.mkv "${copy[@]}" -f mp4 media/av1_opus.mp4
ff -i media/mpeg4_ac3.mkv "${copy[@]}" -f mp4 media/mpeg4_ac3.mp4
ff -i media/mpeg2_eac3.mkv "${copy[@]}" -f mp4 media/mpeg2_eac3.mp4
ff -i media/jpeg.mkv "${copy[@]}" -f mov media/jpeg.mov
ff -i media/vp8_vorbis.webm -map 0:a "${copy[@]}" -f ogg media/vorbis.ogg
ff -i media/vp9_opus.webm -map 0:a "${copy[@]}" -page_duration 200000 -f ogg media/sound.opus
ff -i media/vp8_vorbis.webm -map 0:v "${copy[@]}" -f ivf media/vp8.ivf
ff -i media/vp9_opus.webm -map 0:v "${copy[@]}" -f ivf media/vp9.ivf
ff -i media/av1_opus.mkv -map 0:v "${copy[@]}" -f ivf media/av1.ivf
ff -i media/av1_opus.mkv -map 0:v "${copy[@]}" -f obu media/av1.obu

# Pictures for a live track, with the Huffman tables that RTP takes for granted.
ff -f lavfi -i "testsrc2=size=160x96:rate=10:duration=0.5" -c:v mjpeg -q:v 12 -huffman default \
    -pix_fmt yuvj420p -threads 1 "${exact[@]}" -f mjpeg live/pictures.mjpeg

# Bad files: empty, garbage (from a fixed seed), cut off in the middle of the first kilobytes.
garbage() { awk -v seed="$1" 'BEGIN { s = seed + 1; for (i = 0; i < 600; i++) { s = (s * 1103515245 + 12345) % 2147483648; printf "%02x", int(s / 65536) % 256 } }' | xxd -r -p; }
seed=0
for ext in 264 h264 265 h265 aac mp3 mp2 wav ts m2ts mkv webm mp4 m4v m4a mov 3gp \
    ogg oga opus ivf obu; do
    : > "bad/empty.$ext"
    seed=$((seed + 1))
    garbage "$seed" > "bad/garbage.$ext"
done
seed=100
for ext in ac3 eac3 amr awb g722 mjpeg m1v m2v mpg vob; do
    : > "bad/empty.$ext"
    seed=$((seed + 1))
    # Any bytes are G.722.
    [ "$ext" = g722 ] || garbage "$seed" > "bad/garbage.$ext"
done
cut() { head -c "$2" "media/$1" > "bad/cut.${1##*.}"; }
cut bframes.h264 1500; cut slices.264 20; cut bframes.h265 2600; cut slices.265 60
cut stereo.aac 500; cut vbr.mp3 700; cut layer2.mp2 400; cut pcm16.wav 41
cut program.ts 1000; cut program.m2ts 500; cut h264_aac.mkv 900
cut h265_mp3.m4v 3000; cut fragments.mp4 1200; cut vorbis.ogg 2000; cut sound.opus 90; cut vp8.ivf 40
cut tones.ac3 300; cut tone.amr 30; cut pictures.m2v 700; cut disc.vob 3000; cut pictures.mjpeg 900
# Nothing in it that can be served.
ff -f lavfi -i "testsrc2=size=64x36:rate=5:duration=1" -c:v ffv1 "${exact[@]}" -f matroska bad/ffv1.mkv
# A length field that says 4 GiB, and a RIFF chunk that claims more than there is.
printf 'RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\xff\x01\x00\x02\x00' > bad/huge_fmt.wav
printf 'RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00data\x10\x00\x00\x00' > bad/zero_fmt.wav
printf '\x1a\x45\xdf\xa3\x01\xff\xff\xff\xff\xff\xff\xff\x42\x86' > bad/huge_header.mkv
printf '\0\0\0\x01moov\x7f\xff\xff\xff\xff\xff\xff\xff' > bad/huge_movie.mp4
printf 'ID3\x03\x00\x00\x7f\x7f\x7f\x7f' > bad/huge_id3.mp3

du -sh media bad

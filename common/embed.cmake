# Writes ${OUT}.c and ${OUT}.h: the text of the files ${IN}, one after the other, as a NUL-ended array
# named ${NAME}.
# Bytes, not a string literal: C11 promises only 4095 characters of those.
set(hex "")
foreach(file IN LISTS IN)
	file(READ ${file} one HEX)
	string(APPEND hex ${one})
endforeach()
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "((0x[0-9a-f][0-9a-f],)(0x[0-9a-f][0-9a-f],)?(0x[0-9a-f][0-9a-f],)?(0x[0-9a-f][0-9a-f],)?(0x[0-9a-f][0-9a-f],)?(0x[0-9a-f][0-9a-f],)?(0x[0-9a-f][0-9a-f],)?)" "\\1\n" bytes "${bytes}")
file(WRITE ${OUT}.h "/* Generated from ${NAME}. */\n#pragma once\nextern const unsigned char ${NAME}[];\n")
file(WRITE ${OUT}.c "#include \"${NAME}.h\"\nconst unsigned char ${NAME}[] = {\n${bytes}0x00};\n")

# Writes files as a C list of struct embedded: cmake -DOUT=x.c -DNAME=list -DROOT=dir -DFILES="a;b" -P embed_files.cmake
# Long literals are cut into lines: adjacent ones are one string.
file(WRITE ${OUT} "/* Generated. */\n#include \"gateway/embedded.h\"\n\nconst struct embedded ${NAME}[] = {\n")
list(SORT FILES)
foreach(file ${FILES})
	file(READ ${ROOT}/${file} hex HEX)
	string(LENGTH "${hex}" len)
	math(EXPR len "${len} / 2")
	string(REGEX REPLACE "(..)" "\\\\x\\1" text "${hex}")
	string(REGEX REPLACE "(\\\\x0a)" "\\1\"\n\t \"" text "${text}")
	file(APPEND ${OUT} "\t{\"${file}\",\n\t \"${text}\", ${len}},\n")
endforeach()
file(APPEND ${OUT} "\t{0},\n};\n")

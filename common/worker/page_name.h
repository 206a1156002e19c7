/*
 * page_name.h - the name of a downloaded file, from what the site says of it (RFC 6266, RFC 8187).
 *
 * What is given out is a name for one place in a folder, whatever the site said: no slash,
 * backslash or control character in it, valid UTF-8, not empty, no dot at its start.
 */
#pragma once

#define PAGE_NAME_SIZE 256

/* disposition: the header's value as it came, or NULL. filename* counts more than filename, and
 * both more than the last part of url's path; else it is "download". */
void page_file_name(const char *disposition, const char *url, char ret[PAGE_NAME_SIZE]);

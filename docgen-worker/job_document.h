/*
 * job_document.h - the kind `document`: one assignment becomes one draft file.
 *
 * input {"cmid","title","course":{"id","name"},"url","due","student":{"name","roll"},"format":"docx",
 * "draft":"template"}; result {"document":{"id","file_name","bytes","reused"}}. A document of the
 * same content that is still kept is linked again instead of written again.
 */
#pragma once

#include "work.h"

int job_document(struct work *w);

/* main/version.h: the version, from meson.build. */
#ifndef MAIN_VERSION_H
#define MAIN_VERSION_H

#ifndef SKEP_VERSION
#define SKEP_VERSION "0.0.0"
#endif

#endif

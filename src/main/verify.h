/* main/verify.h: `skep verify`: checks every block of every file of a stopped server's directory. */
#ifndef MAIN_VERIFY_H
#define MAIN_VERIFY_H

int main_verify(int argc, char **argv);

#endif

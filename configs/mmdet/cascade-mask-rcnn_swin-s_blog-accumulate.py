# The blog post's Swin-S at the paper's 16 images a step on the blog's 4 GPUs: 4 images each, 2 at a time, whose
# gradients add up. lr 1e-4 was chosen for 16; warm-up stays at the blog's 1000 steps.
_base_ = "./cascade-mask-rcnn_swin-s_blog.py"

images_at_once = 2

# The blog's Swin-S with the paper's batch size of 16 on the blog's 4 GPUs: 4 images per GPU, 2 at a time, with
# accumulated gradients. The learning rate of 1e-4 was chosen for 16 images; the warm-up keeps the blog's 1000 steps.
_base_ = "./cascade-mask-rcnn_swin-s_blog.py"

images_at_once = 2
